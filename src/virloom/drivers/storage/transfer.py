# SPDX-License-Identifier: Apache-2.0
"""The bytes of a volume, sent to a client or taken from it.

Reads and writes wait for the disk, so threads make them, one at a time for each stream. The
descriptor is closed when the last of them is over, whoever gives the stream up before.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from typing import TypeVar

from virloom.endpoint.stream import READ_SIZE, Hole, StreamEnd
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationAborted, VirloomError, system_failure

_DOMAIN = ErrorDomain.STREAMS
_ZEROS = bytes(1 << 16)
T = TypeVar("T")


def open_volume(path: str, offset: int, *, writing: bool) -> int:
    """A descriptor of the volume; what is in it stays.

    Raises:
        SystemFailure: It cannot be opened, or has no such offset.
    """
    access = os.O_WRONLY if writing else os.O_RDONLY
    try:
        descriptor = os.open(path, access | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as exc:
        raise system_failure(f"Unable to open stream for '{path}'", exc, domain=_DOMAIN) from exc
    try:
        if offset >= 1 << 63:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        os.lseek(descriptor, offset, os.SEEK_SET)
    except OSError as exc:
        os.close(descriptor)
        raise system_failure(f"Unable to seek {path} to {offset}", exc, domain=_DOMAIN) from exc
    return descriptor


class VolumeStream(StreamEnd):
    """A stream of a part of a volume, from *offset* on.

    Args:
        descriptor: The open volume, which the stream owns.
        length: Bytes that it has at most; 0 leaves that to the volume, or to the client.
        sparse: Whether it carries holes.
        closed: Called once, when nothing more is done with the volume.
        end: Where the volume ends: nothing is written behind that; None where it may grow.

    Attributes:
        position: How far it came.
        finished: Whether its client has said that it is done.
    """

    def __init__(
        self, descriptor: int, offset: int, length: int, *, sparse: bool,
        closed: Callable[[], None], end: int | None = None,
    ) -> None:  # fmt: skip
        self._fd = descriptor
        self.position = offset
        self.finished = False
        self._end = end
        self._left: int | None = length or None
        self._sparse = sparse
        self._closed = closed
        self._working = 0
        self._over = False
        self._error: VirloomError | None = None

    @property
    def sparse(self) -> bool:
        return self._sparse

    async def read(self, limit: int = READ_SIZE) -> bytes:
        if self._over:
            return self._ended()
        size = limit if self._left is None else min(limit, self._left)
        data = await self._work(lambda: os.pread(self._fd, size, self.position))
        self._advance(len(data))
        return data

    async def read_sparse(self, limit: int = READ_SIZE) -> bytes | Hole:
        if self._over or self._left == 0:
            return self._ended()
        data, length = await self._work(lambda: _section(self._fd, self.position))
        if self._left is not None:
            length = min(length, self._left)
        if length == 0 or data:
            return await self.read(min(limit, length) if length else limit)
        self._advance(length)
        return Hole(length)

    async def write(self, data: bytes) -> None:
        self._require_room(len(data))
        await self._work(lambda: _write(self._fd, data, self.position))
        self._advance(len(data))

    async def write_hole(self, length: int) -> None:
        self._require_room(length)
        await self._work(lambda: _clear(self._fd, self.position, length))
        self._advance(length)

    async def finish(self) -> None:
        self.finished = not self._over
        self._close()

    def abort(self, reason: VirloomError | None = None) -> None:
        if not self._over:
            self._error = reason or OperationAborted("the stream was aborted")
            self._close()

    def _ended(self) -> bytes:
        if self._error is not None:
            raise self._error
        return b""

    def _advance(self, length: int) -> None:
        self.position += length
        if self._left is not None:
            self._left -= length

    def _require_room(self, length: int) -> None:
        if self._over:
            raise self._error or OperationAborted("the stream is closed")
        beyond = self._end is not None and self.position + length > self._end
        if beyond or (self._left is not None and length > self._left):
            error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise system_failure("cannot write to stream", error, domain=_DOMAIN)

    async def _work(self, action: Callable[[], T]) -> T:
        self._working += 1
        future = asyncio.get_running_loop().run_in_executor(None, action)
        future.add_done_callback(self._worked)
        try:
            return await asyncio.shield(future)
        except OSError as exc:
            raise system_failure("cannot use the volume", exc, domain=_DOMAIN) from exc

    def _worked(self, _: object) -> None:
        self._working -= 1
        self._release()

    def _close(self) -> None:
        self._over = True
        self._release()

    def _release(self) -> None:
        if self._over and not self._working and self._fd >= 0:
            descriptor, self._fd = self._fd, -1
            os.close(descriptor)
            self._closed()


def _section(descriptor: int, position: int) -> tuple[bool, int]:
    """Whether data begins at *position*, and how far that or the hole there goes; 0 at the end."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if position >= size:
        return True, 0
    try:
        data = os.lseek(descriptor, position, os.SEEK_DATA)
    except OSError as exc:
        if exc.errno != errno.ENXIO:
            raise
        return False, size - position
    if data > position:
        return False, data - position
    return True, os.lseek(descriptor, position, os.SEEK_HOLE) - position


def _write(descriptor: int, data: bytes, position: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, position)
        view, position = view[done:], position + done


def _clear(descriptor: int, position: int, length: int) -> None:
    """Zeros instead of what is there; what was not there before is a hole."""
    end, size = position + length, os.lseek(descriptor, 0, os.SEEK_END)
    if end > size:
        os.ftruncate(descriptor, end)
    while position < min(end, size):
        data, length = _section(descriptor, position)
        part = min(length, min(end, size) - position)
        if data:
            part = min(part, len(_ZEROS))
            _write(descriptor, _ZEROS[:part], position)
        position += part
