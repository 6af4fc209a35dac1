# SPDX-License-Identifier: Apache-2.0
"""``virtinterfaced``: the daemon of the host's interfaces."""

from __future__ import annotations

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.area import AreaService
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.drivers.interface.driver import InterfaceDriver
from virloom.drivers.interface.handlers import dispatcher
from virloom.drivers.interface.links import Links
from virloom.enums.error import ErrorDomain


class InterfaceService(AreaService):
    """The interface driver, served."""

    def __init__(self, driver: InterfaceDriver) -> None:
        super().__init__(dispatcher(driver), driver.uri, ErrorDomain.INTERFACE)

    def reload(self) -> None:
        """The host is read each time; there is nothing to read again."""

    async def close(self) -> None:
        """It holds nothing."""


def open_driver(places: Places) -> InterfaceDriver:
    """The interface driver of the host; a root of files has no interfaces of its own."""
    return InterfaceDriver(Links(), f"interface://{places.uri_path}")


async def _open(places: Places) -> Service:
    return InterfaceService(open_driver(places))


SPEC = DaemonSpec("virtinterfaced", "Virloom interface daemon", _open)


def main() -> int:
    """The program."""
    return run(SPEC)
