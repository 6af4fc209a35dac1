# SPDX-License-Identifier: Apache-2.0
"""``virtnodedevd``: the daemon of the host's devices."""

from __future__ import annotations

import virloom.daemon.plain_asyncio  # noqa: F401 # before anything that imports asyncio

# isort: split
from virloom.daemon.places import Places
from virloom.daemon.program import run
from virloom.daemon.service import Service
from virloom.daemon.spec import DaemonSpec
from virloom.drivers.nodedev.driver import NodeDeviceDriver
from virloom.drivers.nodedev.handlers import dispatcher
from virloom.drivers.nodedev.tree import SysTree
from virloom.endpoint.dispatch import Dispatcher
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, NoConnect
from virloom.host.uevents import Uevents
from virloom.uri import ConnectURI


class NodeDeviceService(Service):
    """The driver of node devices, served."""

    programs = frozenset((0x20008086,))

    def __init__(self, driver: NodeDeviceDriver, path: str) -> None:
        self._driver = driver
        self._dispatcher = dispatcher(driver)
        self._path = path

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def check_uri(self, uri: str) -> None:
        parsed = ConnectURI.parse(uri)
        if parsed.scheme != "nodedev":
            raise NoConnect(uri)
        if parsed.path != self._path:
            raise InternalError(
                f"unexpected nodedev URI path '{parsed.path}', try nodedev://{self._path}",
                domain=ErrorDomain.NODEDEV,
            )

    def busy(self) -> bool:
        """Nothing is kept that the kernel would not tell the next daemon."""
        return False

    def reload(self) -> None:
        """Looks at every device again."""
        self._driver.rescan()

    async def close(self) -> None:
        self._driver.close()


def path_of(places: Places) -> str:
    """The path of the URI that leads to the daemon."""
    return "/session" if places.session else "/system"


def open_driver(places: Places) -> NodeDeviceDriver:
    """Opens the driver of the host's devices, which hears of changes on the running loop.

    Raises:
        OSError: The kernel tells nothing of devices.
    """
    return NodeDeviceDriver(SysTree(), f"nodedev://{path_of(places)}", Uevents())


async def _open(places: Places) -> Service:
    return NodeDeviceService(open_driver(places), path_of(places))


SPEC = DaemonSpec("virtnodedevd", "Virloom node device daemon", _open)


def main() -> int:
    """The program."""
    return run(SPEC)
