# SPDX-License-Identifier: Apache-2.0
"""One piece of long work: where it is to be seen, and how it is given up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from virloom.errors import OperationAborted


class LongWork:
    """The making of a volume, say.

    Threads look at :attr:`stopped` between two steps. What runs in another process is awaited in
    a ``with`` of :meth:`ending`, and ends at once.

    Attributes:
        stopped: Set when it is to be given up.
        path: The unfinished file, for whoever wants to see how far it is; None before there is.
        ended: Set when nothing more is done.
    """

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.path: str | None = None
        self.ended = asyncio.Event()
        self._awaiting: set[asyncio.Task[object]] = set()

    def give_up(self) -> None:
        """Has it end, with all of it undone; returns before that."""
        self.stopped.set()
        for task in self._awaiting:
            task.cancel()

    def require_going(self) -> None:
        """Returns if it goes on.

        Raises:
            OperationAborted: It is to be given up.
        """
        if self.stopped.is_set():
            raise OperationAborted("the work was given up")

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Says that what the task awaits in the ``with`` may be cancelled.

        Raises:
            OperationAborted: It is given up.
        """
        self.require_going()
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("long work is awaited by a task")
        self._awaiting.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not self.stopped.is_set():
                raise
            task.uncancel()
            raise OperationAborted("the work was given up") from None
        finally:
            self._awaiting.discard(task)
