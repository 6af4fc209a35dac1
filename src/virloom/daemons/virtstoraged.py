# SPDX-License-Identifier: Apache-2.0
"""``virtstoraged``: the daemon of storage pools and volumes."""

from __future__ import annotations

from collections.abc import Mapping

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.area import AreaService
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.reach import by_sockets
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.drivers.storage.directories import StorageDirectories
from virloom.drivers.storage.driver import StorageDriver
from virloom.drivers.storage.handlers import dispatcher
from virloom.endpoint.areas import AreaOpener
from virloom.enums.error import ErrorDomain
from virloom.procedures.record import Area


class StorageService(AreaService):
    """The storage driver, served."""

    def __init__(self, driver: StorageDriver) -> None:
        super().__init__(dispatcher(driver), driver.uri, ErrorDomain.STORAGE)
        self._driver = driver

    def reload(self) -> None:
        """Takes in documents that somebody put there; those of known pools are left alone."""
        self._driver.reload()

    def busy(self) -> bool:
        """An idle daemon does not end while somebody's volume is made."""
        return self._driver.ongoing.busy

    def ending(self) -> None:
        self._driver.ongoing.give_up()

    async def close(self) -> None:
        await self._driver.close()


async def open_driver(
    places: Places, inside: Mapping[Area, AreaOpener] | None = None
) -> StorageDriver:
    """Opens the storage driver of the host, or of one user.

    Args:
        inside: The other areas that this process serves.

    Raises:
        VirloomError: As :meth:`StorageDriver.open`.
    """
    if places.prefix is not None:
        directories = StorageDirectories.system(places.prefix)
    else:
        directories = StorageDirectories.session(places.settings, places.run, places.cache)
    path = places.uri_path
    areas = by_sockets(places.run, path, inside or {})
    return await StorageDriver.open(directories, f"storage://{path}", areas)


async def _open(places: Places) -> Service:
    return StorageService(await open_driver(places))


SPEC = DaemonSpec("virtstoraged", "Virloom storage daemon", _open)


def main() -> int:
    """The program."""
    return run(SPEC)
