# SPDX-License-Identifier: Apache-2.0
"""Sockets that are read when something comes, several in one turn of the event loop.

The loop's own readers cost a handle, its place in a queue and a run of that for each socket at
each turn. Here one poll tells which of them are ready, and each is called at once. What they send
may be held back until the others have had their turn: who waits on several sockets, or shares a
processor with who does, is then woken once.
"""

from __future__ import annotations

import asyncio
import contextvars
import select
import time
from collections.abc import Callable

#: Sockets that have their turn before anything else of the loop has.
_BATCH = 64
#: Seconds for which what one of them sends is held back: some tens of light calls.
_PATIENCE = 0.0003


class Readers:
    """The sockets of one event loop; what takes a descriptor is there while there are any.

    Readers are called in the context in which they were added, as the loop's are.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._poll: select.epoll | None = None
        #: What calls a reader in its context, and that one.
        self._readers: dict[int, tuple[Callable[..., object], Callable[[], None]]] = {}
        self._held: list[Callable[[], None]] = []
        self._together = False

    def add(self, fd: int, reader: Callable[[], None]) -> None:
        """Calls *reader* whenever there is something to read of *fd*, or its end.

        Raises:
            OSError: No descriptor is left; or it is there already.
        """
        if self._poll is None:
            self._poll = select.epoll()
            self._loop.add_reader(self._poll.fileno(), self._ready)
        self._poll.register(fd, select.EPOLLIN)
        self._readers[fd] = (contextvars.copy_context().run, reader)

    def remove(self, fd: int) -> None:
        """Calls nobody for *fd* any more; before it is closed."""
        if self._poll is None or self._readers.pop(fd, None) is None:
            return
        self._poll.unregister(fd)
        if not self._readers:
            self._loop.remove_reader(self._poll.fileno())
            self._poll.close()
            self._poll = None

    def hold(self, release: Callable[[], None]) -> bool:
        """Calls *release* when those that are ready have had their turn, or it takes too long.

        Returns:
            Whether it does: not outside of a turn, nor for one that is ready alone.
        """
        if self._together:
            self._held.append(release)
        return self._together

    def _ready(self) -> None:
        assert self._poll is not None
        ready = self._poll.poll(0, _BATCH)
        self._together = len(ready) > 1
        clock, readers = time.monotonic, self._readers
        until = clock() + _PATIENCE
        for fd, _ in ready:
            found = readers.get(fd)
            if found is None:  # an earlier one ended it
                continue
            try:
                found[0](found[1])
            except Exception as exc:  # the others' turn comes all the same
                self._failed(exc)
            if self._held and clock() > until:
                self._release()
                until = clock() + _PATIENCE
        self._together = False
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        for release in held:
            try:
                release()
            except Exception as exc:
                self._failed(exc)

    def _failed(self, error: Exception) -> None:
        self._loop.call_exception_handler(
            {"message": "what was to be done for a socket failed", "exception": error}
        )
