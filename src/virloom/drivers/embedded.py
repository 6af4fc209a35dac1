# SPDX-License-Identifier: Apache-2.0
"""The drivers of an embedded root: guests and secrets at once, the others when they are asked for.

A first guest does not wait for what it does not need: opening a driver of another area takes a
tenth of a second, most of it imports.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from virloom.endpoint.areas import AreaOpener, Areas
from virloom.endpoint.dispatch import Dispatcher
from virloom.endpoint.driver_daemons import daemon_opener
from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.identity import Identity
from virloom.endpoint.local import opener
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InvalidArg
from virloom.host.netns import NetworkSpace
from virloom.host.root_kinds import refuse_daemons
from virloom.host.session_run import session_run
from virloom.procedures.record import Area
from virloom.uri import ConnectURI


class LateDriver:
    """A driver that is opened by whoever needs it first.

    Args:
        start: Opens it, to end with the stack, and gives its handlers.
        used: Whether the root has something of it that may be to start, or to be watched.
    """

    def __init__(
        self,
        start: Callable[[AsyncExitStack], Awaitable[Dispatcher]],
        used: Callable[[], bool] = lambda: False,
    ) -> None:
        self._start = start
        self._used = used
        self._lock = asyncio.Lock()
        self._open = AsyncExitStack()
        self._dispatcher: Dispatcher | None = None

    async def __call__(self) -> Dispatcher:
        """Its handlers.

        Raises:
            VirloomError: It cannot be opened.
        """
        async with self._lock:
            if self._dispatcher is None:
                self._dispatcher = await self._start(self._open)
            return self._dispatcher

    async def connect(self, identity: Identity) -> Endpoint:
        """How the driver of guests reaches it."""
        return await opener(await self())(identity)

    async def open_if_used(self) -> None:
        """Opens it where it has something to do already."""
        if self._used():
            await self()

    async def close(self) -> None:
        """Closes it, if it is open."""
        await self._open.aclose()


async def open_embedded(stack: AsyncExitStack, root: Path, uri: ConnectURI) -> Dispatcher:
    """Opens the drivers of *root*, which end with the stack.

    Raises:
        InvalidArg: The URI asks for a network that there is not.
        OperationInvalid: It is the root of daemons.
        VirloomError: As :meth:`QemuDriver.open`.
    """
    from virloom.drivers.qemu.directories import Directories
    from virloom.drivers.qemu.driver import QemuDriver
    from virloom.drivers.qemu.handlers import dispatcher
    from virloom.drivers.secret.driver import SecretDirectories, SecretDriver
    from virloom.drivers.secret.handlers import Secrets
    from virloom.drivers.secret.handlers import opener as secret_opener

    refuse_daemons(root, ErrorDomain.QEMU)
    etc = root / "etc"
    places = SecretDirectories(etc / "secrets", root / "run" / "secrets", etc / "secret.conf")
    # The other areas come first, and go last: guests that start with the driver need them.
    secrets = SecretDriver(places, str(uri))
    stack.push_async_callback(secrets.close)
    space = _space(root, uri)
    if space is not None:
        stack.callback(space.close)
    networks = _networks(root, str(uri), space)
    filters = _filters(root, str(uri), space)
    pools = _pools(root, str(uri), Areas({"secret": secret_opener(secrets)}))
    devices = LateDriver(partial(_open_devices, str(uri)))
    for late in (networks, filters, pools, devices):
        stack.push_async_callback(late.close)
        await late.open_if_used()
    reached: dict[Area, AreaOpener] = {
        "secret": secret_opener(secrets),
        "network": networks.connect,
        "nwfilter": filters.connect,
        "storage": pools.connect,
        "nodedev": devices.connect,
        "lock": daemon_opener("lock", "virtlockd", _helpers()),
    }
    driver = await QemuDriver.open(
        Directories.embedded(root), str(uri), areas=Areas(reached), space=space
    )
    stack.push_async_callback(driver.close)
    elsewhere: dict[Area, LateDriver] = {
        "network": networks,
        "nwfilter": filters,
        "storage": pools,
        "nodedev": devices,
        "interface": LateDriver(partial(_open_interfaces, str(uri))),
    }
    return dispatcher(driver, [Secrets(secrets)], elsewhere)


def _helpers() -> Path:
    """Where the host's virtlockd is, which a root asks whose qemu.conf says so, as libvirt's do."""
    return Path("/run/libvirt" if os.geteuid() == 0 else session_run())


def _space(root: Path, uri: ConnectURI) -> NetworkSpace | None:
    """The network namespace of the root's networks; None where they are among the host's own.

    Raises:
        InvalidArg: The URI asks for no such network.
        ConfigUnsupported: Root asks for what leads ordinary users out.
    """
    asked = uri.params.get("network", "private")
    if asked not in ("private", "pasta", "host"):
        raise InvalidArg(
            f"'{uri}': network is 'private', 'pasta' or 'host', not '{asked}'",
            domain=ErrorDomain.QEMU,
        )
    if asked == "host":
        return None
    space = NetworkSpace(root / "run" / "network" / "space", leads_out=asked == "pasta")
    if asked == "pasta" and not space.is_users:
        raise ConfigUnsupported(
            f"'{uri}': pasta leads an ordinary user's networks out, and this is root",
            domain=ErrorDomain.QEMU,
            remedy="network=host has them among the host's own",
        )
    return space


def _networks(root: Path, uri: str, space: NetworkSpace | None) -> LateDriver:
    """Networks; those in a namespace of the root's own let it go when none is active."""

    async def start(stack: AsyncExitStack) -> Dispatcher:
        from virloom.drivers.network.activation import Activation
        from virloom.drivers.network.directories import NetworkDirectories
        from virloom.drivers.network.driver import NetworkDriver
        from virloom.drivers.network.handlers import dispatcher
        from virloom.drivers.network.space_host import SpaceHost

        directories = NetworkDirectories.embedded(root)
        host = SpaceHost(space) if space is not None else None
        driver = await NetworkDriver.open(directories, uri, Activation(directories, host))

        async def end() -> None:
            await driver.close()
            if space is not None and not any(network.active for network in driver.all):
                space.end()

        stack.push_async_callback(end)
        return dispatcher(driver)

    return LateDriver(start, (root / "etc" / "qemu" / "networks").exists)


def _filters(root: Path, uri: str, space: NetworkSpace | None) -> LateDriver:
    """Filters, at work where the root's networks are."""

    async def start(stack: AsyncExitStack) -> Dispatcher:
        from virloom.drivers.nwfilter.directories import FilterDirectories
        from virloom.drivers.nwfilter.driver import FilterDriver
        from virloom.drivers.nwfilter.handlers import dispatcher
        from virloom.drivers.nwfilter.space_host import SpaceFilterHost

        host = SpaceFilterHost(space) if space is not None else None
        driver = await FilterDriver.open(FilterDirectories.embedded(root), uri, host)
        stack.push_async_callback(driver.close)
        return dispatcher(driver)

    return LateDriver(start, lambda: any((root / "run" / "nwfilter-binding").glob("*.json")))


async def _open_devices(uri: str, stack: AsyncExitStack) -> Dispatcher:
    """The host's devices, which are nobody's own."""
    from virloom.drivers.nodedev.handlers import dispatcher
    from virloom.drivers.nodedev.opening import open_devices

    driver = await open_devices(uri)
    stack.callback(driver.close)
    return dispatcher(driver)


async def _open_interfaces(uri: str, stack: AsyncExitStack) -> Dispatcher:
    """The host's interfaces, only told of: what a root changes is in the root."""
    from virloom.drivers.interface.driver import InterfaceDriver
    from virloom.drivers.interface.handlers import dispatcher
    from virloom.drivers.interface.links import Links

    return dispatcher(InterfaceDriver(Links(), uri))


def _pools(root: Path, uri: str, areas: Areas) -> LateDriver:
    async def start(stack: AsyncExitStack) -> Dispatcher:
        from virloom.drivers.storage.directories import StorageDirectories
        from virloom.drivers.storage.driver import StorageDriver
        from virloom.drivers.storage.handlers import dispatcher

        driver = await StorageDriver.open(StorageDirectories.embedded(root), uri, areas)
        stack.push_async_callback(driver.close)
        return dispatcher(driver)

    return LateDriver(start, (root / "etc" / "storage").exists)
