# SPDX-License-Identifier: Apache-2.0
"""The data that some procedures carry beside their arguments: consoles, volumes, screenshots."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import OperationAborted, OperationInvalid, VirloomError, system_failure

#: What one read asks of a descriptor; a libvirt stream packet holds at most 262,120 bytes.
READ_SIZE = 65536


class Hole(NamedTuple):
    """Zeros that a sparse stream tells of instead of carrying them."""

    length: int


class FilePart(NamedTuple):
    """Bytes of a stream by where they are: in an open file, which belongs to the stream."""

    descriptor: int
    offset: int
    length: int


class StreamWriter(ABC):
    """Writes to a stream in a thread; nobody else writes before it is closed."""

    @abstractmethod
    def write(self, parts: Sequence[memoryview]) -> None:
        """As :meth:`StreamEnd.write_all`, and blocks; the parts do not hold afterwards."""

    @abstractmethod
    def close(self) -> None:
        """In the loop, when the thread is done; once."""


class StreamEnd(ABC):
    """One end of a byte stream, the same for a client and for a driver.

    A driver attaches an end to the call that opens the stream; in process the client uses that
    very object, and over a wire the connection pumps it. One that carries holes says so by
    :attr:`sparse`, and gives zeros for them to whoever calls :meth:`read`.
    """

    @property
    def sparse(self) -> bool:
        """Whether it carries holes, as the call that opened it asked."""
        return False

    @abstractmethod
    async def read(self, limit: int = READ_SIZE) -> bytes:
        """The next bytes, at most *limit*; empty at the end of the stream.

        Cancellation loses no data.

        Raises:
            OperationAborted: The stream was aborted, or taken over by somebody else.
        """

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Sends all of *data*; waits while the other side does not take it.

        Raises:
            OperationAborted: The stream was aborted.
            SystemFailure: The other side is gone.
        """

    async def write_all(self, parts: Sequence[bytes | memoryview]) -> None:
        """As :meth:`write`, of several parts one after the other."""
        for part in parts:
            await self.write(bytes(part))

    def writer(self) -> StreamWriter | None:
        """What writes in a thread, where that is no more than to write to a file."""
        return None

    async def read_sparse(self, limit: int = READ_SIZE) -> bytes | Hole:
        """As :meth:`read`, but a hole comes as what it is, of whatever length."""
        return await self.read(limit)

    async def read_placed(self, limit: int = READ_SIZE) -> bytes | Hole | FilePart:
        """As :meth:`read_sparse` where this end is sparse, else as :meth:`read`.

        What lies in a file may come as the place where it is, of whatever length, for a caller that
        can send from there. It holds as long as the stream is neither finished nor aborted.
        """
        return await (self.read_sparse(limit) if self.sparse else self.read(limit))

    async def write_hole(self, length: int) -> None:
        """Sends a hole of *length* bytes; one of 0 is none.

        Raises:
            OperationInvalid: This stream has no holes.
            OperationAborted: The stream was aborted.
        """
        raise OperationInvalid(
            "Skipping is not supported with this stream", domain=ErrorDomain.STREAMS
        )

    @abstractmethod
    async def finish(self) -> None:
        """Ends the stream in an orderly way; idempotent."""

    @abstractmethod
    def abort(self, reason: VirloomError | None = None) -> None:
        """Ends the stream at once; whoever waits in it gets *reason*; idempotent."""

    def descriptor(self) -> int | None:
        """A descriptor that carries the same bytes, for a caller that would rather use that."""
        return None


class BytesStream(StreamEnd):
    """A stream of bytes that are all there already, such as a screenshot."""

    def __init__(self, data: bytes) -> None:
        self._parts = deque([data] if data else [])
        self._error: VirloomError | None = None

    async def read(self, limit: int = READ_SIZE) -> bytes:
        if self._error is not None:
            raise self._error
        if not self._parts:
            return b""
        head = self._parts.popleft()
        if len(head) > limit:
            self._parts.appendleft(head[limit:])
        return head[:limit]

    async def write(self, data: bytes) -> None:
        raise OperationAborted("the stream can only be read")

    async def finish(self) -> None:
        self._parts.clear()

    def abort(self, reason: VirloomError | None = None) -> None:
        self._parts.clear()
        self._error = reason or OperationAborted("the stream was aborted")


class FdStream(StreamEnd):
    """A stream over a non-blocking descriptor that it owns: a pty, a socket, a pipe.

    It binds to whichever event loop reads or writes it, for the length of that call only.
    """

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd: int | None = fd
        self._error: VirloomError | None = None
        self._waiters: set[asyncio.Future[None]] = set()

    def descriptor(self) -> int | None:
        return self._fd

    async def read(self, limit: int = READ_SIZE) -> bytes:
        while True:
            fd = self._open_fd()
            if fd is None:
                return b""
            try:
                return os.read(fd, limit)
            except BlockingIOError:
                await self._ready(fd, writing=False)
            except OSError as exc:
                if exc.errno == errno.EIO:  # a pty whose other side is closed
                    return b""
                raise system_failure("cannot read the stream", exc) from exc

    async def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            fd = self._open_fd()
            if fd is None:
                raise OperationAborted("the stream is closed")
            try:
                view = view[os.write(fd, view) :]
            except BlockingIOError:
                await self._ready(fd, writing=True)
            except OSError as exc:
                raise system_failure("cannot write to the stream", exc) from exc

    async def finish(self) -> None:
        self._close()

    def abort(self, reason: VirloomError | None = None) -> None:
        if self._fd is not None:
            self._error = reason or OperationAborted("the stream was aborted")
            self._close()

    def _open_fd(self) -> int | None:
        if self._error is not None:
            raise self._error
        return self._fd

    async def _ready(self, fd: int, *, writing: bool) -> None:
        """Waits until *fd* can be used, or the stream is closed by somebody else."""
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        add, remove = (
            (loop.add_writer, loop.remove_writer)
            if writing
            else (loop.add_reader, loop.remove_reader)
        )
        add(fd, _wake, waiter)
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
            if self._fd == fd:  # else the number may be somebody else's by now
                remove(fd)

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is None:
            return
        for waiter in list(self._waiters):
            loop = waiter.get_loop()
            with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits there
                loop.call_soon_threadsafe(_wake, waiter)
            loop.remove_reader(fd)
            loop.remove_writer(fd)
        os.close(fd)

    def __del__(self) -> None:
        if self._fd is not None:
            os.close(self._fd)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
