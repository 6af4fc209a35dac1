# SPDX-License-Identifier: Apache-2.0
"""``virtinterfaced``: the daemon of the host's interfaces."""

from __future__ import annotations

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.area import AreaService
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.rights import FILES, NETWORK, SERVERS, Rights
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.drivers.interface.driver import InterfaceDriver
from virloom.drivers.interface.handlers import dispatcher
from virloom.drivers.interface.links import Links
from virloom.drivers.interface.opening import open_interfaces
from virloom.enums.error import ErrorDomain


class InterfaceService(AreaService):
    """The interface driver, served."""

    def __init__(self, driver: InterfaceDriver) -> None:
        self._changes = driver.changes
        super().__init__(dispatcher(driver), driver.uri, ErrorDomain.INTERFACE)

    def reload(self) -> None:
        """The host is read each time; there is nothing to read again."""

    async def close(self) -> None:
        """What is being changed is changed to its end."""
        if self._changes is not None:
            await self._changes.close()


async def open_driver(places: Places) -> InterfaceDriver:
    """The interface driver of the host; a root of files has no interfaces of its own.

    A user's daemon only tells.
    """
    uri = f"interface://{places.uri_path}"
    if places.prefix is None:
        return InterfaceDriver(Links(), uri)
    return await open_interfaces(places.prefix, places.run, uri)


async def _open(places: Places) -> Service:
    return InterfaceService(await open_driver(places))


SPEC = DaemonSpec(
    "virtinterfaced",
    "Virloom interface daemon",
    _open,
    rights=Rights((*FILES, *NETWORK, *SERVERS)),
)


def main() -> int:
    """The program."""
    return run(SPEC)
