# SPDX-License-Identifier: Apache-2.0
"""What a child writes, collected on the event loop within bounds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from types import TracebackType

_CHUNK = 65536


class Collector:
    """A pipe for a child's output. Enter it, give :attr:`writer` to the child, call :meth:`begin`.

    Args:
        limit: Bytes kept; with the first byte more :attr:`flooded` is true and nothing is read on.
        on_flood: Called then, once.
    """

    def __init__(self, limit: int, on_flood: Callable[[], object]) -> None:
        self._limit = limit
        self._on_flood = on_flood
        self._data = bytearray()
        self.flooded = False
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self.writer, True)  # the child's end; a status of its own, not the reader's

    def begin(self) -> None:
        """Close our copy of the writer, now that the child has its own, and start to read."""
        self._close_writer()
        asyncio.get_running_loop().add_reader(self._reader, self._read)

    def finish(self) -> bytes:
        """All that was written up to now. For use after the child's end; does not wait."""
        while self._read():
            pass
        return bytes(self._data)

    def close(self) -> None:
        """Stop reading and close both ends; may be called twice."""
        self._close_writer()
        if self._reader >= 0:
            self._unwatch()
            os.close(self._reader)
            self._reader = -1

    def __enter__(self) -> Collector:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _close_writer(self) -> None:
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def _unwatch(self) -> None:
        asyncio.get_running_loop().remove_reader(self._reader)

    def _read(self) -> bool:
        """Read once; whether there may be more."""
        if self.flooded:
            return False
        try:
            data = os.read(self._reader, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._unwatch()
            return False
        self._data += data
        if len(self._data) > self._limit:
            self.flooded = True
            self._unwatch()
            self._on_flood()
        return not self.flooded
