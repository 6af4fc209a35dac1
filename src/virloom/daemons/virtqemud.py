# SPDX-License-Identifier: Apache-2.0
"""``virtqemud``: the daemon of QEMU guests."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
import asyncio

from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.reach import by_sockets
from virloom.daemon.relay.routes import Route, area_routes, route_of
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.drivers.qemu import later
from virloom.drivers.qemu.directories import Directories
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers import dispatcher
from virloom.drivers.qemu.persistent import load_definitions
from virloom.endpoint.areas import AreaOpener
from virloom.endpoint.dispatch import Dispatcher
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, NoConnect
from virloom.procedures.record import Area, Procedure
from virloom.uri import ConnectURI

logger = logging.getLogger(__name__)

#: Seconds between two parts of what is loaded later, in which calls are answered.
_PAUSE = 0.05

#: The remote program, the one of QEMU's own calls, and our recorder's.
_PROGRAMS = frozenset((0x20008086, 0x20008087, 0x564C4A01))


class QemuService(Service):
    """The QEMU driver, served."""

    programs = _PROGRAMS

    def __init__(
        self,
        driver: QemuDriver,
        path: str,
        beside: Iterable[object] = (),
        routes: Mapping[Area, Route] | None = None,
    ) -> None:
        self._driver = driver
        self._routes = routes or {}
        self._dispatcher = dispatcher(driver, beside)
        self._path = path

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def route(self, procedure: Procedure[Any, Any]) -> Route | None:
        """Other areas are their daemons', where there are any."""
        return route_of(self._routes, procedure)

    def check_uri(self, uri: str) -> None:
        parsed = ConnectURI.parse(uri)
        if parsed.scheme != "qemu":
            raise NoConnect(uri)
        if parsed.path != self._path:
            raise InternalError(
                f"unexpected QEMU URI path '{parsed.path}', try qemu://{self._path}",
                domain=ErrorDomain.QEMU,
            )

    def busy(self) -> bool:
        return any(guest.running is not None for guest in self._driver.guests)

    def warm_up(self) -> None:
        """Loads what the first definition and the first start need, a part at a time."""
        self._warm_up(0)

    def _warm_up(self, number: int) -> None:
        following = number if self._dispatcher.grow() else later.load(number)
        if following is None:
            gc.freeze()  # modules stay
        else:
            asyncio.get_running_loop().call_later(_PAUSE, self._warm_up, following)

    def reload(self) -> None:
        """Takes in documents that somebody put there; those of known domains are left alone."""
        load_definitions(self._driver)

    async def close(self) -> None:
        await self._driver.close()


async def open_driver(
    places: Places, inside: Mapping[Area, AreaOpener] | None = None
) -> QemuDriver:
    """Opens the QEMU driver of the host, or of one user.

    Args:
        inside: The other areas that this process serves.

    Raises:
        VirloomError: As :meth:`QemuDriver.open`.
    """
    if places.prefix is not None:
        directories = Directories.system(places.prefix)
    else:
        directories = Directories.session(places.settings, places.run, places.cache)
    path = places.uri_path
    areas = by_sockets(places.run, path, inside or {})
    return await QemuDriver.open(directories, f"qemu://{path}", areas=areas)


async def _open(places: Places) -> Service:
    path = places.uri_path
    return QemuService(await open_driver(places), path, routes=area_routes(places.run, path))


SPEC = DaemonSpec("virtqemud", "Virloom QEMU daemon", _open, needs=("virtlogd", "virtlockd"))


def main() -> int:
    """The program."""
    return run(SPEC)
