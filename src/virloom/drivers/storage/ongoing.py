# SPDX-License-Identifier: Apache-2.0
"""Work that goes on when whoever asked for it goes away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from virloom.drivers.storage.long_work import LongWork

T = TypeVar("T")


class Ongoing:
    """The work of one driver.

    Attributes:
        closing: Set when long work is to be given up.
    """

    def __init__(self) -> None:
        self.closing = threading.Event()
        self._tasks: dict[asyncio.Task[Any], LongWork | None] = {}

    def keep(self, work: Coroutine[Any, Any, T], long: LongWork | None = None) -> asyncio.Task[T]:
        """Begins work; the driver's close waits for it.

        Args:
            long: What a close gives up first.
        """
        task = asyncio.create_task(work)
        self._tasks[task] = long
        task.add_done_callback(lambda task: self._tasks.pop(task, None))
        return task

    @property
    def busy(self) -> bool:
        """Whether there is any."""
        return bool(self._tasks)

    def give_up(self) -> None:
        """Has long work end, with what can be undone undone; returns before that."""
        self.closing.set()
        for long in list(self._tasks.values()):
            if long is not None:
                long.give_up()

    async def close(self) -> None:
        """Gives long work up, and waits for all that there is."""
        self.give_up()
        while self._tasks:
            await asyncio.wait(self._tasks)
