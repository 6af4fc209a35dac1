# SPDX-License-Identifier: Apache-2.0
"""``virtnwfilterd``: the daemon of network filters; of the system only, as by libvirt."""

from __future__ import annotations

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
import asyncio

from virloom.daemon.area import AreaService
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.rights import FILES, NETWORK, Rights
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.drivers.nwfilter.directories import FilterDirectories
from virloom.drivers.nwfilter.driver import FilterDriver
from virloom.drivers.nwfilter.handlers import dispatcher
from virloom.enums.error import ErrorDomain
from virloom.errors import NoConnect

_PATH = "/system"


class FilterService(AreaService):
    """The filter driver, served."""

    def __init__(self, driver: FilterDriver) -> None:
        super().__init__(dispatcher(driver), driver.uri, ErrorDomain.NWFILTER)
        self._driver = driver
        self._loading: asyncio.Task[None] | None = None

    def reload(self) -> None:
        """Takes in documents that somebody put there, and puts rules back that are gone."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.get_running_loop().create_task(self._driver.reload())

    def busy(self) -> bool:
        """Addresses are found out only while the daemon is there."""
        return self._driver.bindings.learn

    async def close(self) -> None:
        if self._loading is not None:
            await self._loading
        await self._driver.close()


async def open_driver(places: Places) -> FilterDriver:
    """Opens the filter driver of the host.

    Raises:
        NoConnect: These are the places of a user.
        VirloomError: As :meth:`FilterDriver.open`.
    """
    if places.prefix is None:
        raise NoConnect(f"nwfilter://{_PATH} is the system's: a user has no filters")
    directories = FilterDirectories.system(places.prefix)
    return await FilterDriver.open(directories, f"nwfilter://{_PATH}")


async def _open(places: Places) -> Service:
    return FilterService(await open_driver(places))


SPEC = DaemonSpec(
    "virtnwfilterd",
    "Virloom network filter daemon",
    _open,
    rights=Rights((*FILES, *NETWORK), gains=False),
)


def main() -> int:
    """The program."""
    return run(SPEC)
