# SPDX-License-Identifier: Apache-2.0
"""``virtstoraged``: the daemon of storage pools and volumes."""

from __future__ import annotations

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.drivers.storage.directories import StorageDirectories
from virloom.drivers.storage.driver import StorageDriver
from virloom.drivers.storage.handlers import dispatcher
from virloom.endpoint.dispatch import Dispatcher
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, NoConnect
from virloom.uri import ConnectURI


class StorageService(Service):
    """The storage driver, served."""

    programs = frozenset((0x20008086,))

    def __init__(self, driver: StorageDriver, path: str) -> None:
        self._driver = driver
        self._dispatcher = dispatcher(driver)
        self._path = path

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def check_uri(self, uri: str) -> None:
        parsed = ConnectURI.parse(uri)
        if parsed.scheme != "storage":
            raise NoConnect(uri)
        if parsed.path != self._path:
            raise InternalError(
                f"unexpected storage URI path '{parsed.path}', try storage://{self._path}",
                domain=ErrorDomain.STORAGE,
            )

    def busy(self) -> bool:
        """A pool is found again from its record, so no daemon has to wait for its end."""
        return False

    def reload(self) -> None:
        """Takes in documents that somebody put there; those of known pools are left alone."""
        self._driver.reload()

    async def close(self) -> None:
        await self._driver.close()


def path_of(places: Places) -> str:
    """The path of the URI that leads to the daemon."""
    return "/session" if places.session else "/system"


async def open_driver(places: Places) -> StorageDriver:
    """Opens the storage driver of the host, or of one user.

    Raises:
        VirloomError: As :meth:`StorageDriver.open`.
    """
    if places.prefix is not None:
        directories = StorageDirectories.system(places.prefix)
    else:
        directories = StorageDirectories.session(places.settings, places.run, places.cache)
    return await StorageDriver.open(directories, f"storage://{path_of(places)}")


async def _open(places: Places) -> Service:
    return StorageService(await open_driver(places), path_of(places))


SPEC = DaemonSpec("virtstoraged", "Virloom storage daemon", _open)


def main() -> int:
    """The program."""
    return run(SPEC)
