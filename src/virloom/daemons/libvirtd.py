# SPDX-License-Identifier: Apache-2.0
"""``libvirtd``: the drivers of all daemons that there are, in one process, and the test driver."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import AsyncExitStack

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.service import Another, Service
from virloom.daemon.spec import DaemonSpec
from virloom.daemon.token import SystemToken
from virloom.daemons import virtinterfaced, virtnodedevd, virtqemud, virtsecretd
from virloom.drivers.interface.driver import InterfaceDriver
from virloom.drivers.interface.handlers import handlers as interface_handlers
from virloom.drivers.nodedev import handlers as nodedev_handlers
from virloom.drivers.nodedev.driver import NodeDeviceDriver
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.secret.driver import SecretDriver
from virloom.drivers.secret.handlers import Secrets, opener
from virloom.endpoint.areas import AreaOpener
from virloom.procedures.record import Area
from virloom.uri import ConnectURI


class Everything(virtqemud.QemuService):
    """The QEMU driver and the other areas beside it: one connection reaches all of them."""

    def __init__(
        self,
        driver: QemuDriver,
        secrets: SecretDriver,
        interfaces: InterfaceDriver,
        devices: NodeDeviceDriver,
        path: str,
        token: SystemToken,
    ) -> None:
        beside = [
            Secrets(secrets),
            *interface_handlers(interfaces),
            *nodedev_handlers.handlers(devices),
        ]
        super().__init__(driver, path, beside)
        self.token = token
        self._secrets = secrets
        self._devices = devices
        self._area_uris = (f"secret://{path}", interfaces.uri, f"nodedev://{path}")

    def check_uri(self, uri: str) -> None:
        """Also those of the daemons for one area alone, as libvirtd has it."""
        parsed = ConnectURI.parse(uri)
        if f"{parsed.scheme}://{parsed.path}" not in self._area_uris:
            super().check_uri(uri)

    def another(self, uri: str) -> Awaitable[Another] | None:
        """The test driver, for those who name it: that alone, as with libvirtd."""
        parsed = ConnectURI.parse(uri)
        return self._test_driver(parsed) if parsed.scheme == "test" else None

    async def _test_driver(self, uri: ConnectURI) -> Another:
        from virloom.drivers.homes import join_test_driver  # most daemons are never asked for it

        return Another(*await join_test_driver(uri))

    def busy(self) -> bool:
        ephemeral = any(entry.model.ephemeral for entry in self._secrets.all())
        return ephemeral or super().busy()

    def reload(self) -> None:
        super().reload()
        self._secrets.reload()
        self._devices.rescan()

    async def close(self) -> None:
        await super().close()
        await self._secrets.close()
        self._devices.close()


async def _open(places: Places) -> Service:
    async with AsyncExitStack() as undo:
        secrets = virtsecretd.open_driver(places)
        undo.push_async_callback(secrets.close)
        devices = virtnodedevd.open_driver(places)
        undo.callback(devices.close)
        inside: dict[Area, AreaOpener] = {
            "secret": opener(secrets),
            "nodedev": nodedev_handlers.opener(devices),
        }
        driver = await virtqemud.open_driver(places, inside)
        undo.pop_all()
    interfaces, path = virtinterfaced.open_driver(places), places.uri_path
    return Everything(driver, secrets, interfaces, devices, path, SystemToken(places.run))


SPEC = DaemonSpec(
    "libvirtd",
    "Virloom: all drivers in one daemon",
    _open,
    sockets="libvirt",
    network=True,
    needs=("virtlogd",),
)


def main() -> int:
    """The program."""
    return run(SPEC)
