# SPDX-License-Identifier: Apache-2.0
"""``virtnodedevd``: the daemon of the host's devices."""

from __future__ import annotations

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.area import AreaService
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.drivers.nodedev.driver import NodeDeviceDriver
from virloom.drivers.nodedev.handlers import dispatcher
from virloom.drivers.nodedev.opening import open_devices
from virloom.enums.error import ErrorDomain


class NodeDeviceService(AreaService):
    """The driver of node devices, served."""

    def __init__(self, driver: NodeDeviceDriver) -> None:
        super().__init__(dispatcher(driver), driver.uri, ErrorDomain.NODEDEV)
        self._driver = driver

    def reload(self) -> None:
        """Looks at every device again."""
        self._driver.rescan()

    async def close(self) -> None:
        self._driver.close()


async def open_driver(places: Places) -> NodeDeviceDriver:
    """Opens the driver of the host's devices, which hears of changes on the running loop.

    Raises:
        OSError: The kernel tells nothing of devices.
    """
    return await open_devices(f"nodedev://{places.uri_path}")


async def _open(places: Places) -> Service:
    return NodeDeviceService(await open_driver(places))


SPEC = DaemonSpec("virtnodedevd", "Virloom node device daemon", _open)


def main() -> int:
    """The program."""
    return run(SPEC)
