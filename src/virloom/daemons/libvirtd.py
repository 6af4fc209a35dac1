# SPDX-License-Identifier: Apache-2.0
"""``libvirtd``: the drivers of all daemons that there are, in one process, and the test driver."""

from __future__ import annotations

from collections.abc import Awaitable

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.service import Another, Service
from virloom.daemon.spec import DaemonSpec
from virloom.daemon.token import SystemToken
from virloom.daemons import virtinterfaced, virtqemud, virtsecretd
from virloom.drivers.interface.driver import InterfaceDriver
from virloom.drivers.interface.handlers import handlers as interface_handlers
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.secret.driver import SecretDriver
from virloom.drivers.secret.handlers import Secrets, opener
from virloom.uri import ConnectURI


class Everything(virtqemud.QemuService):
    """The QEMU driver, and secrets and interfaces beside it: one connection reaches them all."""

    def __init__(
        self,
        driver: QemuDriver,
        secrets: SecretDriver,
        interfaces: InterfaceDriver,
        path: str,
        token: SystemToken,
    ) -> None:
        super().__init__(driver, path, [Secrets(secrets), *interface_handlers(interfaces)])
        self.token = token
        self._secrets = secrets
        self._area_uris = (f"secret://{path}", interfaces.uri)

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

    async def close(self) -> None:
        await super().close()
        await self._secrets.close()


async def _open(places: Places) -> Service:
    secrets = virtsecretd.open_driver(places)
    try:
        driver = await virtqemud.open_driver(places, {"secret": opener(secrets)})
    except BaseException:
        await secrets.close()
        raise
    interfaces = virtinterfaced.open_driver(places)
    token = SystemToken(places.run)
    return Everything(driver, secrets, interfaces, virtqemud.path_of(places), token)


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
