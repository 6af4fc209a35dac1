# SPDX-License-Identifier: Apache-2.0
"""Threads of new guests get into their control groups when nobody is kept waiting by it.

The kernel moves another process's thread after an RCU grace period, some ten milliseconds in which
it makes, enters and removes no group, whoever's. Done at once, that falls on the next start, or on
the end of the guest that has just been started. So it is done in the first pause between starts,
for all guests of a burst together (who share one grace period), and never for one that is to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.host.cgroup.group import GuestGroups
    from virloom.host.cgroup.layout import ThreadKind

logger = logging.getLogger(__name__)

#: Seconds without a start that are a pause.
PAUSE = 0.01

#: Seconds after which threads are moved although starts go on.
PATIENCE = 0.2


class Threads(NamedTuple):
    """The threads of a guest, and where they belong.

    Attributes:
        groups: The guest's.
        numbered: Thread ids by the number of what they serve, by kind.
    """

    groups: GuestGroups
    numbered: Mapping[ThreadKind, Mapping[int, int]]

    def move(self, wanted: Callable[[], bool] = lambda: True) -> None:
        """Puts them into their groups, one after another as long as it is *wanted*.

        Raises:
            SystemFailure: The kernel refuses.
        """
        for kind, threads in self.numbered.items():
            for number, thread in threads.items():
                if not wanted():
                    return
                self.groups.move_thread(kind, number, thread)


class Newcomer(NamedTuple):
    """A guest whose threads are where QEMU has made them.

    Attributes:
        name: Of the domain.
        threads: What is to be moved.
        stays: Whether it has not begun to end; asked from another thread.
    """

    name: str
    threads: Threads
    stays: Callable[[], bool]


class Settler:
    """Moves the threads of one driver's guests.

    Args:
        begin: Runs work beside everything else, under a name.
    """

    def __init__(self, begin: Callable[[Coroutine[Any, Any, None], str], object]) -> None:
        self._begin = begin
        self._newcomers: list[Newcomer] = []
        self._at_work = False
        self._starting = 0
        self._begun = 0
        self._no_start = asyncio.Event()
        self._no_start.set()
        self._hurried = asyncio.Event()

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """A guest is being started, which is not to be kept waiting."""
        self._begun += 1
        self._starting += 1
        self._no_start.clear()
        try:
            yield
        finally:
            self._starting -= 1
            if not self._starting:
                self._no_start.set()

    def add(self, newcomer: Newcomer) -> None:
        """Has a guest's threads moved before long."""
        self._newcomers.append(newcomer)
        if not self._at_work:
            self._at_work = True
            self._begin(self._work(), "threads of new guests")

    def hurry(self) -> None:
        """The driver closes: what waits is done at once, and so is what is still to come."""
        self._hurried.set()

    async def _work(self) -> None:
        try:
            while self._newcomers:
                await self._pause()
                newcomers, self._newcomers = self._newcomers, []
                await asyncio.to_thread(_settle, newcomers)
        finally:
            self._at_work = False

    async def _pause(self) -> None:
        """Returns when there is a pause between starts, or has been none for too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not await self._is_pause():
                    await self._no_start.wait()

    async def _is_pause(self) -> bool:
        begun = self._begun
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PAUSE):
                await self._hurried.wait()
            return True
        return not self._starting and begun == self._begun


def _settle(newcomers: Sequence[Newcomer]) -> None:
    for newcomer in newcomers:
        try:
            newcomer.threads.move(newcomer.stays)
        except VirloomError as exc:
            logger.error("threads of '%s': %s", newcomer.name, exc)
