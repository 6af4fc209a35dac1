# SPDX-License-Identifier: Apache-2.0
"""``virtinterfaced``: the daemon of the host's interfaces."""

from __future__ import annotations

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.drivers.interface.driver import InterfaceDriver
from virloom.drivers.interface.handlers import dispatcher
from virloom.drivers.interface.links import Links
from virloom.endpoint.dispatch import Dispatcher
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, NoConnect
from virloom.uri import ConnectURI


class InterfaceService(Service):
    """The interface driver, served."""

    programs = frozenset((0x20008086,))

    def __init__(self, driver: InterfaceDriver, path: str) -> None:
        self._dispatcher = dispatcher(driver)
        self._path = path

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def check_uri(self, uri: str) -> None:
        parsed = ConnectURI.parse(uri)
        if parsed.scheme != "interface":
            raise NoConnect(uri)
        if parsed.path != self._path:
            raise InternalError(
                f"unexpected interface URI path '{parsed.path}', try interface://{self._path}",
                domain=ErrorDomain.INTERFACE,
            )

    def busy(self) -> bool:
        """It has nothing that would end with it."""
        return False

    def reload(self) -> None:
        """The host is read each time; there is nothing to read again."""

    async def close(self) -> None:
        """It holds nothing."""


def open_driver(places: Places) -> InterfaceDriver:
    """The interface driver of the host; a root of files has no interfaces of its own."""
    return InterfaceDriver(Links(), f"interface://{_path_of(places)}")


def _path_of(places: Places) -> str:
    return "/session" if places.session else "/system"


async def _open(places: Places) -> Service:
    return InterfaceService(open_driver(places), _path_of(places))


SPEC = DaemonSpec("virtinterfaced", "Virloom interface daemon", _open)


def main() -> int:
    """The program."""
    return run(SPEC)
