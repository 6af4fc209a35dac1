# SPDX-License-Identifier: Apache-2.0
"""``virtnetworkd``: the daemon of virtual networks."""

from __future__ import annotations

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from pathlib import Path

from virloom.daemon.area import AreaService
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.rights import FILES, NETWORK, SERVERS, Rights
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.drivers.network import default
from virloom.drivers.network.activation import Activation
from virloom.drivers.network.config import firewall_backend
from virloom.drivers.network.directories import NetworkDirectories
from virloom.drivers.network.driver import NetworkDriver
from virloom.drivers.network.handlers import dispatcher
from virloom.enums.error import ErrorDomain

#: Where a host's own files are.
_HOST = Path("/")


class NetworkService(AreaService):
    """The network driver, served."""

    def __init__(self, driver: NetworkDriver) -> None:
        super().__init__(dispatcher(driver), driver.uri, ErrorDomain.NETWORK)
        self._driver = driver

    def reload(self) -> None:
        """Takes in documents that somebody put there, and puts back what networks have lost.

        Documents of known networks are left alone.
        """
        self._driver.reload()
        self._driver.life.check()

    async def close(self) -> None:
        await self._driver.close()


async def open_driver(places: Places) -> NetworkDriver:
    """Opens the network driver of the host, or of one user.

    Raises:
        ConfSyntax: ``network.conf`` is malformed.
        ConfigUnsupported: It asks for a packet filter that the host has not.
        VirloomError: As :meth:`NetworkDriver.open`.
    """
    if places.prefix is not None:
        directories = NetworkDirectories.system(places.prefix)
    else:
        directories = NetworkDirectories.session(places.settings, places.run, places.cache)
    # A root of its own is for somebody who says what is in it; a host gets what guests expect.
    fresh = places.prefix == _HOST and not directories.config.exists()
    backend = firewall_backend(places.settings / "network.conf")
    activation = Activation(directories, backend=backend)
    driver = await NetworkDriver.open(directories, f"network://{places.uri_path}", activation)
    if fresh:
        await default.install(driver)
    return driver


async def _open(places: Places) -> Service:
    return NetworkService(await open_driver(places))


SPEC = DaemonSpec(
    "virtnetworkd",
    "Virloom network daemon",
    _open,
    rights=Rights((*FILES, *NETWORK, *SERVERS)),
)


def main() -> int:
    """The program."""
    return run(SPEC)
