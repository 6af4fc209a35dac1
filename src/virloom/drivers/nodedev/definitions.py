# SPDX-License-Identifier: Apache-2.0
"""Mediated devices that are defined, as mdevctl keeps them: read again whenever they change."""

from __future__ import annotations

import asyncio
import glob
import logging
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from virloom.drivers.nodedev import mdevctl
from virloom.errors import InternalError, VirloomError

if TYPE_CHECKING:
    from virloom.host.inotify import DirectoryWatch


class Taker(Protocol):
    """Who is told what is defined."""

    def take_definitions(self, definitions: Iterable[mdevctl.Definition]) -> None:
        """Takes in all that is defined now."""
        ...


logger = logging.getLogger(__name__)

#: How often mdevctl is asked again when a definition is just being written.
_ATTEMPTS = 2


class Definitions:
    """Keeps the driver's devices as mdevctl has them defined.

    Args:
        driver: The driver.
        directory: Where mdevctl keeps them.
    """

    def __init__(self, driver: Taker, directory: str = mdevctl.DIRECTORY) -> None:
        self._driver = driver
        self._directory = directory
        self._watch: DirectoryWatch | None = None
        self._lock = asyncio.Lock()
        self._again = False
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Takes in what is defined; where nothing is, mdevctl is not asked.

        Raises:
            OSError: The kernel has no more watches for us.
        """
        if not self._installed():
            return
        from virloom.host.inotify import DirectoryWatch  # most hosts have no mdevctl

        self._watch = DirectoryWatch()
        asyncio.get_running_loop().add_reader(self._watch.fileno(), self._changed)
        self._watch.watch([self._directory, *self._parents()])
        if glob.glob(f"{self._directory}/*/*-*-*-*-*"):
            await self._read_again()

    def _installed(self) -> bool:
        return os.path.isdir(self._directory)

    def _parents(self) -> list[str]:
        return glob.glob(f"{self._directory}/*/")

    def close(self) -> None:
        """Looks no more."""
        if self._watch is not None:
            asyncio.get_running_loop().remove_reader(self._watch.fileno())
            self._watch.close()
            self._watch = None
        if self._reading is not None:
            self._reading.cancel()

    def _changed(self) -> None:
        assert self._watch is not None
        self._watch.clear()
        if self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().create_task(self._read_again())
        else:
            self._again = True

    async def _read_again(self) -> None:
        self._again = True
        while self._again:  # until nothing has happened meanwhile
            self._again = False
            try:
                await self._read_complete()
            except VirloomError as exc:
                logger.warning("%s", exc.message)

    async def _read_complete(self) -> None:
        """Reads once more what somebody may just be writing."""
        for _ in range(_ATTEMPTS):
            try:
                await self.read()
            except InternalError as exc:
                logger.debug("%s", exc.message)
            else:
                return
        await self.read()

    async def read(self) -> None:
        """Takes in what is defined now.

        Raises:
            InternalError: mdevctl does not say; nothing has changed then.
        """
        async with self._lock:
            if self._watch is not None:
                self._watch.watch(self._parents())
            self._driver.take_definitions(await mdevctl.defined())
