# SPDX-License-Identifier: Apache-2.0
"""Changes of files that are made by a thread, so that the event loop does not wait for the disk.

A change that does not wait for it is made at once where no other is under way.

One batch is under way at a time, and all that is asked for meanwhile is the next one: changes
happen in the order in which they were asked for, and those of a batch share what makes their
directory durable. A change is told to the event loop when it is durable, also where the caller
that asked for it has gone: memory and disk never part.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from virloom.errors import VirloomError, system_failure
from virloom.host.files import sync_directory

logger = logging.getLogger(__name__)


class Change(Protocol):
    """A change of files. The thread calls its methods; each is whole or raises."""

    @property
    def durable(self) -> bool:
        """Whether the directory has to be synchronized after it."""
        ...

    @property
    def waits(self) -> bool:
        """Whether making it waits for the disk; a file that is only removed does not."""
        ...

    def make(self) -> None:
        """Makes it, but for the synchronization of the directory."""
        ...

    def undo(self) -> None:
        """Takes it back: the directory could not be synchronized."""
        ...

    def made(self) -> None:
        """It is durable."""
        ...


class _Asked:
    """A change that somebody waits for."""

    __slots__ = ("change", "done", "error", "then")

    def __init__(
        self, change: Change, then: Callable[[], None], done: asyncio.Future[None]
    ) -> None:
        self.change = change
        self.then = then
        self.done = done
        self.error: BaseException | None = None


class Writes:
    """The changes of one directory.

    Args:
        directory: What is synchronized after them.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._asked: list[_Asked] = []
        self._worker: asyncio.Task[None] | None = None

    async def apply(self, change: Change, then: Callable[[], None]) -> None:
        """Makes *change* after all that were asked for before, and waits until it is durable.

        Args:
            then: Called on the event loop as soon as it is, in the order of the changes.

        Raises:
            VirloomError: What *change* or *then* raised; a change that failed is not made.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked(change, then, loop.create_future())
        if self._worker is None and not change.waits:
            _commit(self._directory, [asked])  # nothing is to be made before it
            _tell(asked)
            if asked.error is not None:
                raise asked.error
            return
        self._asked.append(asked)
        if self._worker is None:
            self._worker = loop.create_task(self._work(), name=f"writes {self._directory}")
        await _whole(asked.done)
        if asked.error is not None:
            raise asked.error

    async def settled(self) -> None:
        """Waits for all that was asked for."""
        while self._worker is not None:
            await asyncio.wait([self._worker])

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._asked:
                batch, self._asked = self._asked, []
                await loop.run_in_executor(None, _commit, self._directory, batch)
                for asked in batch:
                    _tell(asked)
        finally:
            self._worker = None


def _commit(directory: Path, batch: list[_Asked]) -> None:
    """Makes the changes of *batch*, in a thread; one that fails does not keep the others."""
    for asked in batch:
        _note_error(asked, asked.change.make)
    made = [asked for asked in batch if asked.error is None]
    if any(asked.change.durable for asked in made):
        try:
            sync_directory(os.fspath(directory))
        except OSError as exc:
            _take_back(made, system_failure(f"Unable to write '{directory}'", exc))
            return
    for asked in made:
        _note_error(asked, asked.change.made)


def _take_back(made: list[_Asked], error: VirloomError) -> None:
    for asked in reversed(made):
        asked.error = error
        try:
            asked.change.undo()
        except (OSError, VirloomError) as exc:
            logger.error("a change that failed cannot be taken back: %s", exc)


def _note_error(asked: _Asked, step: Callable[[], None]) -> None:
    try:
        step()
    except BaseException as exc:  # raised where it is waited for, which is another thread
        asked.error = exc


def _tell(asked: _Asked) -> None:
    if asked.error is None:
        _note_error(asked, asked.then)
    asked.done.set_result(None)


async def _whole(done: asyncio.Future[None]) -> None:
    """Waits for *done*, also when cancelled: what the thread does goes on, so its caller does."""
    cancelled = False
    while not done.done():
        try:
            await asyncio.wait([done])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
