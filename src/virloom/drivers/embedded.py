# SPDX-License-Identifier: Apache-2.0
"""The drivers of an embedded root: guests and secrets at once, the others when they are asked for.

A first guest does not wait for what it does not need: opening a driver of another area takes a
tenth of a second, most of it imports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from virloom.endpoint.areas import Areas
from virloom.endpoint.dispatch import Dispatcher
from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.identity import Identity
from virloom.endpoint.local import opener
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.host.netns import NetworkSpace
from virloom.uri import ConnectURI


class LateDriver:
    """A driver that is opened by whoever needs it first.

    Args:
        start: Opens it, to end with the stack, and gives its handlers.
        traces: A directory that is there once the root has used it.
    """

    def __init__(
        self, start: Callable[[AsyncExitStack], Awaitable[Dispatcher]], traces: Path
    ) -> None:
        self._start = start
        self._traces = traces
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
        """Opens it where it has something already that may be to start, or to be watched."""
        if self._traces.exists():
            await self()

    async def close(self) -> None:
        """Closes it, if it is open."""
        await self._open.aclose()


async def open_embedded(stack: AsyncExitStack, root: Path, uri: ConnectURI) -> Dispatcher:
    """Opens the drivers of *root*, which end with the stack.

    Raises:
        InvalidArg: The URI asks for a network that there is not.
        VirloomError: As :meth:`QemuDriver.open`.
    """
    from virloom.drivers.qemu import later
    from virloom.drivers.qemu.directories import Directories
    from virloom.drivers.qemu.driver import QemuDriver
    from virloom.drivers.qemu.handlers import dispatcher
    from virloom.drivers.secret.driver import SecretDirectories, SecretDriver
    from virloom.drivers.secret.handlers import Secrets
    from virloom.drivers.secret.handlers import opener as secret_opener

    later.load_all()
    etc = root / "etc"
    places = SecretDirectories(etc / "secrets", root / "run" / "secrets", etc / "secret.conf")
    # The other areas come first, and go last: guests that start with the driver need them.
    secrets = SecretDriver(places, str(uri))
    stack.push_async_callback(secrets.close)
    space = None if _is_on_host(uri) else NetworkSpace(root / "run" / "network" / "space")
    if space is not None:
        stack.callback(space.close)
    networks = _networks(root, str(uri), space)
    pools = _pools(root, str(uri), Areas({"secret": secret_opener(secrets)}))
    for late in (networks, pools):
        stack.push_async_callback(late.close)
        await late.open_if_used()
    areas = Areas(
        {
            "secret": secret_opener(secrets),
            "network": networks.connect,
            "storage": pools.connect,
        }
    )
    driver = await QemuDriver.open(Directories.embedded(root), str(uri), areas=areas, space=space)
    stack.push_async_callback(driver.close)
    return dispatcher(driver, [Secrets(secrets)], {"network": networks, "storage": pools})


def _is_on_host(uri: ConnectURI) -> bool:
    """Whether the root's networks are to be among the host's own.

    Raises:
        InvalidArg: The URI says neither.
    """
    asked = uri.params.get("network", "private")
    if asked not in ("private", "host"):
        raise InvalidArg(
            f"'{uri}': network is 'private' or 'host', not '{asked}'", domain=ErrorDomain.QEMU
        )
    return asked == "host"


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

    return LateDriver(start, root / "etc" / "qemu" / "networks")


def _pools(root: Path, uri: str, areas: Areas) -> LateDriver:
    async def start(stack: AsyncExitStack) -> Dispatcher:
        from virloom.drivers.storage.directories import StorageDirectories
        from virloom.drivers.storage.driver import StorageDriver
        from virloom.drivers.storage.handlers import dispatcher

        driver = await StorageDriver.open(StorageDirectories.embedded(root), uri, areas)
        stack.push_async_callback(driver.close)
        return dispatcher(driver)

    return LateDriver(start, root / "etc" / "storage")
