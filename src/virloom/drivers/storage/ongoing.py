# SPDX-License-Identifier: Apache-2.0
"""Work that goes on when whoever asked for it goes away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Ongoing:
    """The work of one driver.

    Attributes:
        closing: Set when long work is to be given up.
    """

    def __init__(self) -> None:
        self.closing = threading.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    def keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begins work; the driver's close waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Gives long work up, and waits for all that there is."""
        self.closing.set()
        while self._tasks:
            await asyncio.wait(self._tasks)
