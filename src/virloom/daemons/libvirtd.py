# SPDX-License-Identifier: Apache-2.0
"""``libvirtd``: the drivers of all daemons that there are, in one process, and the test driver."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.area import AreaService
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.service import Another, Service
from virloom.daemon.spec import DaemonSpec
from virloom.daemon.token import SystemToken
from virloom.daemons import (
    virtinterfaced,
    virtnetworkd,
    virtnodedevd,
    virtnwfilterd,
    virtqemud,
    virtsecretd,
    virtstoraged,
)
from virloom.drivers.interface.handlers import handlers as interface_handlers
from virloom.drivers.network import handlers as network_handlers
from virloom.drivers.nodedev import handlers as nodedev_handlers
from virloom.drivers.nwfilter import handlers as nwfilter_handlers
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.secret.handlers import Secrets, opener
from virloom.drivers.storage import handlers as storage_handlers
from virloom.endpoint.areas import AreaOpener
from virloom.procedures.record import Area
from virloom.uri import ConnectURI


class Beside(NamedTuple):
    """Another area that this process serves.

    Attributes:
        service: As its own daemon would serve it.
        handlers: Of its driver.
    """

    service: AreaService
    handlers: Sequence[object]


class Everything(virtqemud.QemuService):
    """The QEMU driver and the other areas beside it: one connection reaches all of them."""

    def __init__(
        self, driver: QemuDriver, beside: Sequence[Beside], path: str, token: SystemToken
    ) -> None:
        super().__init__(driver, path, [group for area in beside for group in area.handlers])
        self.token = token
        self._beside = [area.service for area in beside]

    def check_uri(self, uri: str) -> None:
        """Also those of the daemons for one area alone, as libvirtd has it."""
        parsed = ConnectURI.parse(uri)
        if f"{parsed.scheme}://{parsed.path}" not in [service.uri for service in self._beside]:
            super().check_uri(uri)

    def another(self, uri: str) -> Awaitable[Another] | None:
        """The test driver, for those who name it: that alone, as with libvirtd."""
        parsed = ConnectURI.parse(uri)
        return self._test_driver(parsed) if parsed.scheme == "test" else None

    async def _test_driver(self, uri: ConnectURI) -> Another:
        from virloom.drivers.homes import join_test_driver  # most daemons are never asked for it

        return Another(*await join_test_driver(uri))

    def busy(self) -> bool:
        return super().busy() or any(service.busy() for service in self._beside)

    def reload(self) -> None:
        super().reload()
        for service in self._beside:
            service.reload()

    def ending(self) -> None:
        for service in self._beside:
            service.ending()

    async def close(self) -> None:
        await super().close()
        for service in reversed(self._beside):
            await service.close()


async def _open(places: Places) -> Service:
    token = SystemToken(places.run)
    beside: list[Beside] = []
    async with AsyncExitStack() as undo:

        def add(service: AreaService, handlers: Sequence[object]) -> None:
            undo.push_async_callback(service.close)
            beside.append(Beside(service, handlers))

        secrets = virtsecretd.open_driver(places)
        add(virtsecretd.SecretService(secrets, token), [Secrets(secrets)])
        interfaces = await virtinterfaced.open_driver(places)
        add(virtinterfaced.InterfaceService(interfaces), interface_handlers(interfaces))
        devices = await virtnodedevd.open_driver(places)
        add(virtnodedevd.NodeDeviceService(devices), nodedev_handlers.handlers(devices))
        networks = await virtnetworkd.open_driver(places)
        add(virtnetworkd.NetworkService(networks), network_handlers.handlers(networks))
        pools = await virtstoraged.open_driver(places, {"secret": opener(secrets)})
        add(virtstoraged.StorageService(pools), storage_handlers.handlers(pools))
        inside: dict[Area, AreaOpener] = {
            "secret": opener(secrets),
            "nodedev": nodedev_handlers.opener(devices),
            "network": network_handlers.opener(networks),
            "storage": storage_handlers.opener(pools),
        }
        if places.prefix is not None:  # filters are the system's alone
            filters = await virtnwfilterd.open_driver(places)
            add(virtnwfilterd.FilterService(filters), nwfilter_handlers.handlers(filters))
            inside["nwfilter"] = nwfilter_handlers.opener(filters)
        driver = await virtqemud.open_driver(places, inside)
        undo.pop_all()
    return Everything(driver, beside, places.uri_path, token)


SPEC = DaemonSpec(
    "libvirtd",
    "Virloom: all drivers in one daemon",
    _open,
    sockets="libvirt",
    network=True,
    needs=("virtlogd", "virtlockd"),
)


def main() -> int:
    """The program."""
    return run(SPEC)
