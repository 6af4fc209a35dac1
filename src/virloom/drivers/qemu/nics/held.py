# SPDX-License-Identifier: Apache-2.0
"""What a guest holds of other drivers, on disk: found and given back by whoever opens the driver.

An entry is written before what it names is asked for, and goes when that has been given back:
whatever kill comes between, the next driver gives back what no guest has any more.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from virloom.drivers.qemu.nics.names import FILTERS_SUFFIX, PARTINGS_SUFFIX, SUFFIX
from virloom.endpoint.endpoint import Endpoint
from virloom.errors import NoNetwork, NoNetworkPort, NoNwfilterBinding
from virloom.host.files import write_atomic

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: What a driver says of what it has not any more.
_GONE = (NoNetwork, NoNetworkPort, NoNwfilterBinding)


class HeldList:
    """The list of what one guest holds: a name of each, and what it belongs to.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._held: dict[str, str] = json.loads(path.read_bytes())
        except FileNotFoundError:
            self._held = {}
        except ValueError as exc:
            logger.error("'%s' is no list of what a guest holds: %s", path, exc)
            self._held = {}

    @property
    def all(self) -> dict[str, str]:
        """A copy of what it says."""
        return dict(self._held)

    def add(self, name: str, owner: str) -> None:
        """Notes what is about to be asked for.

        Raises:
            SystemFailure: It cannot be written.
        """
        self._held[name] = owner
        self._save()

    def remove(self, name: str) -> None:
        """Forgets what was given back.

        Raises:
            SystemFailure: It cannot be written.
        """
        self._held.pop(name, None)
        if self._held:
            self._save()
        else:
            self.path.unlink(missing_ok=True)

    async def give_back(
        self,
        opened: Callable[[], AbstractAsyncContextManager[Endpoint]],
        delete: Callable[[Endpoint, str, str], Awaitable[None]],
        only: str | None = None,
    ) -> None:
        """Gives back what is held; what cannot be stays on the list.

        Args:
            opened: Opens a connection to the driver that is asked.
            delete: Asks it, given a name and what that belongs to. What it says to be gone is no
                error.
            only: The name that is meant; None means all.

        Raises:
            VirloomError: The driver cannot be reached, or would not.
        """
        wanted = {name: owner for name, owner in self._held.items() if only in (None, name)}
        if not wanted:
            return
        async with opened() as endpoint:
            for name, owner in wanted.items():
                try:
                    await delete(endpoint, name, owner)
                except _GONE:
                    logger.debug("'%s' of '%s' has gone already", name, self.path)
                self.remove(name)

    def _save(self) -> None:
        write_atomic(self.path, json.dumps(self._held).encode(), durable=False)


def ports_of(driver: QemuDriver, name: str) -> HeldList:
    """The list of the guest *name*: UUIDs of networks, by those of their ports."""
    return HeldList(driver.directories.run / f"{name}{SUFFIX}")


def filters_of(driver: QemuDriver, name: str) -> HeldList:
    """The list of the guest *name*: its UUID, by the names of its taps with a filter."""
    return HeldList(driver.directories.run / f"{name}{FILTERS_SUFFIX}")


def partings_of(driver: QemuDriver, name: str) -> HeldList:
    """The list of the guest *name*: who is told of the ends of its taps, by the names of those."""
    return HeldList(driver.directories.run / f"{name}{PARTINGS_SUFFIX}")
