# SPDX-License-Identifier: Apache-2.0
"""A stream of a client: bytes between its connection and the driver's end, neither side hurried."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence

from virloom.daemon.memory import end_if_out_of_memory
from virloom.endpoint.stream import FilePart, Hole, StreamEnd, StreamWriter
from virloom.errors import InternalError, InvalidArg, VirloomError
from virloom.rpc.packet import MAX_STREAM_DATA

logger = logging.getLogger(__name__)

#: What a hole that waits counts for, in bytes.
_HOLE_COST = 64


class PumpOwner(ABC):
    """The connection that a pump sends through."""

    @abstractmethod
    def stream_data(self, serial: int, data: bytes) -> None:
        """Sends bytes."""

    @property
    @abstractmethod
    def sends_files(self) -> bool:
        """Whether :meth:`stream_file` is there."""

    @abstractmethod
    async def stream_file(self, serial: int, part: FilePart) -> None:
        """Sends bytes of a file; returns when they are sent.

        Raises:
            SystemFailure: The file cannot be read, or the client has gone.
        """

    @abstractmethod
    def stream_hole(self, serial: int, length: int) -> None:
        """Sends a hole."""

    @abstractmethod
    def stream_end_of_data(self, serial: int) -> None:
        """Says that there are no more."""

    @abstractmethod
    def stream_finished(self, serial: int) -> None:
        """Confirms that the stream is over."""

    @abstractmethod
    def stream_failed(self, serial: int, error: VirloomError) -> None:
        """Ends the stream with an error."""

    @abstractmethod
    async def stream_by_thread(
        self, serial: int, parts: Sequence[memoryview], writer: StreamWriter
    ) -> bool:
        """Has a thread write *parts*, and what comes behind them while that is the stream's data.

        Returns:
            Whether it did; none can be had now, else. *writer* is closed in any case.

        Raises:
            Exception: As *writer* gives it.
        """

    @abstractmethod
    def stream_taken(self) -> None:
        """Bytes that waited have gone to the driver."""

    @abstractmethod
    async def writable(self) -> None:
        """Waits while the client does not read."""


class Pump:
    """Moves the bytes of one stream, in both directions.

    Args:
        reads: Whether the client gets what the driver has to say.
        sparse: Whether the client asked for holes; else it gets zeros for them.

    Attributes:
        waiting: Bytes of the client that the driver has not taken yet.
    """

    def __init__(
        self, owner: PumpOwner, serial: int, end: StreamEnd, *, reads: bool, sparse: bool = False
    ) -> None:
        self.waiting = 0
        self.sparse = sparse
        self._owner = owner
        self._serial = serial
        self._end = end
        self._queue: deque[bytes | memoryview | Hole | None] = (
            deque()
        )  # None: the client has finished
        self._more = asyncio.Event()
        self._tasks = [asyncio.ensure_future(self._upload())]
        if reads:
            self._tasks.append(asyncio.ensure_future(self._download()))

    def feed(self, data: bytes | memoryview) -> None:
        """Bytes of the client."""
        if data:
            self._queue.append(data)
            self.waiting += len(data)
            self._more.set()

    def feed_hole(self, length: int, flags: int) -> None:
        """A hole of the client, who may send them here; a wrong one ends the stream."""
        if length < 0 or flags:
            self._fail(InvalidArg(f"a hole of length {length} and flags {flags:#x}"))
            return
        if not length:  # libvirt takes it, and there is nothing to do
            return
        self._queue.append(Hole(length))
        self.waiting += _HOLE_COST
        self._more.set()

    def finish(self) -> None:
        """The client is done: confirmed when the driver has taken all that came before."""
        self._queue.append(None)
        self._more.set()

    def abort(self) -> None:
        """Ends the stream at once, on the driver's side."""
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._queue.clear()
        self.waiting = 0
        self._end.abort()

    async def _download(self) -> None:
        try:
            read = self._reader()
            while part := await read(MAX_STREAM_DATA):
                if isinstance(part, Hole):
                    self._owner.stream_hole(self._serial, part.length)
                elif isinstance(part, FilePart):
                    await self._owner.stream_file(self._serial, part)
                else:
                    self._owner.stream_data(self._serial, part)
                await self._owner.writable()
        except Exception as exc:
            self._fail(exc)
        else:
            self._owner.stream_end_of_data(self._serial)

    def _reader(self) -> Callable[[int], Awaitable[bytes | Hole | FilePart]]:
        if self._owner.sends_files and self._end.sparse == self.sparse:
            return self._end.read_placed
        return self._end.read_sparse if self.sparse else self._end.read

    async def _upload(self) -> None:
        try:
            while (part := await self._next()) is not None:
                if isinstance(part, Hole):
                    await self._end.write_hole(part.length)
                    self.waiting -= _HOLE_COST
                else:
                    parts = [part, *self._further()]
                    await self._write(parts)
                    self.waiting -= sum(map(len, parts))
                self._owner.stream_taken()
            for task in self._tasks[1:]:
                task.cancel()
            await self._end.finish()
        except Exception as exc:
            self._fail(exc)
        else:
            self._owner.stream_finished(self._serial)

    async def _write(self, parts: list[bytes | memoryview]) -> None:
        """Has the driver take them, and where a thread does that, what comes behind them."""
        writer = None if self._queue else self._end.writer()
        if writer is not None:
            views = [memoryview(part) for part in parts]
            if await self._owner.stream_by_thread(self._serial, views, writer):
                return
        await self._end.write_all(parts)

    async def _next(self) -> bytes | memoryview | Hole | None:
        while not self._queue:
            self._more.clear()
            await self._more.wait()
        return self._queue.popleft()

    def _further(self) -> Iterator[bytes | memoryview]:
        """The bytes that are there already, up to a hole or the end."""
        while self._queue and isinstance(part := self._queue[0], (bytes, memoryview)):
            self._queue.popleft()
            yield part

    def _fail(self, exc: Exception) -> None:
        end_if_out_of_memory(exc)
        self.abort()
        if isinstance(exc, VirloomError):
            error = exc
        else:
            logger.error("a stream failed unexpectedly", exc_info=exc)
            error = InternalError(f"the stream failed: {exc}")
        self._owner.stream_failed(self._serial, error)
