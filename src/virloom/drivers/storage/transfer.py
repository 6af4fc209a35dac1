# SPDX-License-Identifier: Apache-2.0
"""The bytes of a volume, sent to a client or taken from it.

Reads and writes wait for the disk, so threads make them, one at a time for each stream. The
descriptor is closed when the last of them is over, whoever gives the stream up before.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeVar

from virloom.endpoint.stream import READ_SIZE, FilePart, Hole, StreamEnd, StreamWriter
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationAborted, VirloomError, system_failure

_DOMAIN = ErrorDomain.STREAMS
_ZEROS = memoryview(bytes(1 << 16))
#: Parts that one system call takes (``IOV_MAX``).
_PARTS = 1024
#: Data of which less is read at once rather than told by its place.
_SMALL = 1 << 16
#: What one place tells of at most.
_LARGE = 16 << 20
#: Sections that one look finds at most.
_SECTIONS = 64
T = TypeVar("T")


class Section(NamedTuple):
    """Data or a hole in a file; data of length 0 is the end."""

    data: bool
    length: int


_END = Section(True, 0)


class Opened(NamedTuple):
    """An open volume, and what comes first in it, as far as that was looked at."""

    descriptor: int
    ahead: Sequence[Section] = ()


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


def open_and_look(path: str, offset: int, *, writing: bool, sparse: bool) -> Opened:
    """As :func:`open_volume`, with what will be read first: one turn of a thread for both."""
    descriptor = open_volume(path, offset, writing=writing)
    if writing:
        return Opened(descriptor)
    try:
        return Opened(descriptor, _sections(descriptor, offset, sparse=sparse))
    except OSError as exc:
        os.close(descriptor)
        raise _unusable(exc) from exc


class VolumeStream(StreamEnd):
    """A stream of a part of a volume, from *offset* on.

    Args:
        descriptor: The open volume, which the stream owns.
        length: Bytes that it has at most; 0 leaves that to the volume, or to the client.
        sparse: Whether it carries holes.
        closed: Called once, when nothing more is done with the volume.
        end: Where the volume ends: nothing is written behind that; None where it may grow.
        ahead: What is known of it from *offset* on.

    Attributes:
        position: How far it came.
        finished: Whether its client has said that it is done.
    """

    def __init__(
        self, descriptor: int, offset: int, length: int, *, sparse: bool,
        closed: Callable[[], None], end: int | None = None, ahead: Iterable[Section] = (),
    ) -> None:  # fmt: skip
        self._fd = descriptor
        self.position = offset
        self.finished = False
        self._end = end
        self._left: int | None = length or None
        self._sparse = sparse
        self._ahead: deque[Section] = deque(ahead)
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
        self._ahead.clear()
        data = await self._read(limit if self._left is None else min(limit, self._left))
        self._advance(len(data))
        return data

    async def read_sparse(self, limit: int = READ_SIZE) -> bytes | Hole:
        section = await self._section()
        if not section.data:
            return self._skip(section)
        return await self._read_in(section, limit) if section.length else self._ended()

    async def read_placed(self, limit: int = READ_SIZE) -> bytes | Hole | FilePart:
        section = await self._section()
        if not section.data:
            return self._skip(section)
        if section.length < _SMALL:
            return await self._read_in(section, limit) if section.length else self._ended()
        part = FilePart(self._fd, self.position, min(section.length, _LARGE))
        self._pass(part.length)
        return part

    async def write(self, data: bytes) -> None:
        await self.write_all([data])

    async def write_all(self, parts: Sequence[bytes | memoryview]) -> None:
        await self._work(partial(self.put, [memoryview(part) for part in parts]))

    def writer(self) -> StreamWriter | None:
        if self._over:
            return None
        self._working += 1
        return _Writer(self.put, partial(self._worked, None))

    def put(self, parts: Sequence[memoryview]) -> None:
        """Writes as far as there is room, as libvirt does; for a thread.

        Raises:
            SystemFailure: There is none, or it cannot be written.
            OperationAborted: The stream is over.
        """
        size, room = sum(map(len, parts)), self._room()
        if size > room:
            parts = [memoryview(b"".join(parts))[:room]]
        try:
            _write(self._fd, parts, self.position)
        except OSError as exc:
            raise _unusable(exc) from exc
        self._advance(min(size, room))
        if size > room:
            raise _no_room()

    async def write_hole(self, length: int) -> None:
        if length > self._room():
            raise _no_room()
        await self._work(lambda: _clear(self._fd, self.position, length))
        self._advance(length)

    async def finish(self) -> None:
        self.finished = not self._over
        self._close()

    def abort(self, reason: VirloomError | None = None) -> None:
        if not self._over:
            self._error = reason or OperationAborted("the stream was aborted")
            self._close()

    async def _section(self) -> Section:
        """What comes next, as far as the client wants it."""
        if self._over or self._left == 0:
            return _END
        if not self._ahead:
            look = partial(_sections, self._fd, self.position, sparse=self._sparse)
            self._ahead.extend(await self._work(look))
        data, length = self._ahead[0]
        return Section(data, length if self._left is None else min(length, self._left))

    def _skip(self, hole: Section) -> Hole:
        self._pass(hole.length)
        return Hole(hole.length)

    async def _read_in(self, section: Section, limit: int) -> bytes:
        data = await self._read(min(section.length, limit))
        self._pass(len(data))
        return data

    async def _read(self, size: int) -> bytes:
        return await self._work(lambda: os.pread(self._fd, size, self.position))

    def _pass(self, length: int) -> None:
        """So much of the next section is done with."""
        data, whole = self._ahead.popleft()
        if length < whole:
            self._ahead.appendleft(Section(data, whole - length))
        self._advance(length)

    def _ended(self) -> bytes:
        if self._error is not None:
            raise self._error
        return b""

    def _advance(self, length: int) -> None:
        self.position += length
        if self._left is not None:
            self._left -= length

    def _room(self) -> int:
        """How many bytes the client may still send."""
        if self._over:
            raise self._error or OperationAborted("the stream is closed")
        length = sys.maxsize if self._left is None else self._left
        return length if self._end is None else max(0, min(length, self._end - self.position))

    async def _work(self, action: Callable[[], T]) -> T:
        self._working += 1
        future = asyncio.get_running_loop().run_in_executor(None, action)
        future.add_done_callback(self._worked)
        try:
            return await asyncio.shield(future)
        except OSError as exc:
            raise _unusable(exc) from exc

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


class _Writer(StreamWriter):
    """Writes to a volume; its descriptor is open until this is closed."""

    def __init__(
        self, put: Callable[[Sequence[memoryview]], None], closed: Callable[[], None]
    ) -> None:
        self._put = put
        self._closed = closed

    def write(self, parts: Sequence[memoryview]) -> None:
        self._put(parts)

    def close(self) -> None:
        self._closed()


def _sections(descriptor: int, position: int, *, sparse: bool) -> list[Section]:
    """What there is from *position* on: one section at least, which may be the end."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if not sparse:
        return [Section(True, max(0, size - position))]
    found: list[Section] = []
    while position < size and len(found) < _SECTIONS:
        found.append(_section(descriptor, position, size))
        position += found[-1].length
    if position >= size and not (found and found[-1].data):  # after data it is looked again
        found.append(_END)
    return found


def _section(descriptor: int, position: int, size: int) -> Section:
    """Whether data begins at *position* before the end, and how far that or the hole goes."""
    try:
        data = os.lseek(descriptor, position, os.SEEK_DATA)
    except OSError as exc:
        if exc.errno != errno.ENXIO:
            raise
        return Section(False, size - position)
    if data > position:
        return Section(False, min(data, size) - position)
    return Section(True, os.lseek(descriptor, position, os.SEEK_HOLE) - position)


def _unusable(error: OSError) -> VirloomError:
    return system_failure("cannot use the volume", error, domain=_DOMAIN)


def _no_room() -> VirloomError:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return system_failure("cannot write to stream", error, domain=_DOMAIN)


def _write(descriptor: int, parts: Iterable[memoryview], position: int) -> None:
    views = deque(parts)
    while views:
        done = os.pwritev(descriptor, list(islice(views, _PARTS)), position)
        position += done
        while views and done >= len(views[0]):
            done -= len(views.popleft())
        if done:
            views[0] = views[0][done:]


def _clear(descriptor: int, position: int, length: int) -> None:
    """Zeros instead of what is there; what was not there before is a hole."""
    end, size = position + length, os.lseek(descriptor, 0, os.SEEK_END)
    if end > size:
        os.ftruncate(descriptor, end)
    while position < min(end, size):
        data, length = _section(descriptor, position, size)
        part = min(length, min(end, size) - position)
        if data:
            part = min(part, len(_ZEROS))
            _write(descriptor, [_ZEROS[:part]], position)
        position += part
