# SPDX-License-Identifier: Apache-2.0
"""A log of bounded size: ``NAME``, and what was before it in ``NAME.0``, ``NAME.1`` and so on.

What a guest writes goes from its pipe to the file by splice(2): it has left the pipe when it is
in the file and not before, so that a kill at any moment loses nothing and doubles nothing.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import select
import stat
from collections.abc import Iterator
from typing import NamedTuple

from virloom.errors import system_failure

#: Bytes at the end of a full file in which the end of a line is looked for, as in libvirt.
_LINE = 80
#: Bytes that one step takes from a pipe.
_STEP = 1 << 16


class Limits(NamedTuple):
    """How large logs may become.

    Attributes:
        size: Bytes of a file; 0 for no bound.
        backups: Full files that are kept beside it.
    """

    size: int = 2 * 1024 * 1024
    backups: int = 3


class Position(NamedTuple):
    """A place in a log, which stays the same when its file becomes a backup."""

    inode: int
    offset: int


def _names(path: str, backups: int) -> Iterator[str]:
    yield path
    for number in range(backups):
        yield f"{path}.{number}"


def present(path: str, backups: int) -> list[str]:
    """The files of a log, the youngest first; a kill may have left one gap between them."""
    found, missing = [], 0
    for name in _names(path, backups):
        missing = 0 if os.path.lexists(name) else missing + 1
        if missing > 1:
            break
        if not missing:
            found.append(name)
    return found


class LogFile:
    """An open log.

    Args:
        path: Of the present file; made where it is missing.
        truncate: Whether what there is goes, backups included.
        resumed: Whether a process of ours may have been killed while it wrote the log.

    Raises:
        SystemFailure: It cannot be opened.
    """

    def __init__(
        self, path: str, limits: Limits, *, truncate: bool = False, resumed: bool = False
    ) -> None:
        self.path = path
        self._limits = limits
        try:
            if truncate:
                _remove(path, limits.backups)
            if resumed:
                _finish_rotation(path)
            self._fd = _open(path)
        except OSError as exc:
            # libvirt's words
            raise system_failure(f"Unable to open file: {path}", exc) from exc
        self._regular = stat.S_ISREG(os.fstat(self._fd).st_mode)

    @property
    def position(self) -> Position:
        """Where the next byte goes."""
        status = os.fstat(self._fd)
        return Position(status.st_ino, status.st_size)

    def take(self, pipe: int) -> int:
        """Moves some of what waits in a pipe; 0: the pipe is at its end.

        Raises:
            BlockingIOError: Nothing waits.
            OSError: The file takes nothing; it is still in the pipe.
        """
        if not self._regular:
            return os.splice(pipe, self._fd, _STEP, flags=os.SPLICE_F_NONBLOCK)
        size = os.fstat(self._fd).st_size
        if self._limits.size and size >= self._limits.size and not _waits(pipe):
            return 0
        room = min(self._room(), _STEP)
        size = os.fstat(self._fd).st_size
        return os.splice(pipe, self._fd, room, offset_dst=size, flags=os.SPLICE_F_NONBLOCK)

    def append(self, data: bytes) -> None:
        """Adds *data*.

        Raises:
            OSError: The file does not take it.
        """
        view = memoryview(data)
        while view:
            if self._regular:
                size = os.fstat(self._fd).st_size
                view = view[os.pwrite(self._fd, view[: self._room()], size) :]
            else:
                view = view[os.write(self._fd, view) :]

    def close(self) -> None:
        """Closes the file."""
        os.close(self._fd)

    def _room(self) -> int:
        """Bytes that the present file may still take, after a change of files where it is full."""
        if not self._limits.size:
            return _STEP
        room = self._limits.size - os.fstat(self._fd).st_size
        if room <= 0:
            self._rotate()
            room = self._limits.size - os.fstat(self._fd).st_size
        return max(room, 1)

    def _rotate(self) -> None:
        """Begins another file, with the line that had no room in this one.

        Each step leaves what :func:`_finish_rotation` can tell: that line leaves the full file
        last.
        """
        size = os.fstat(self._fd).st_size
        tail = _open_line(self._fd, size)
        fresh = _open(_fresh(self.path), os.O_TRUNC)
        try:
            os.pwrite(fresh, tail, 0)
            _shift(self.path, self._limits.backups)
            os.rename(_fresh(self.path), self.path)
            if self._limits.backups:
                os.ftruncate(self._fd, size - len(tail))
        except BaseException:
            os.close(fresh)
            raise
        os.close(self._fd)
        self._fd = fresh


def _fresh(path: str) -> str:
    """The name of a file that is about to be begun."""
    return f"{path}.new"


def _finish_rotation(path: str) -> None:
    """Finishes what a kill has interrupted.

    ====================  ===========  ==================================================
    the fresh file        the log      what is done
    ====================  ===========  ==================================================
    is there              is there     nothing had been moved: the fresh one goes
    is there              is not       the fresh one becomes the log
    has become the log    is there     where the former one still ends with an open line,
                                       that the log begins with, it leaves the former one
    ====================  ===========  ==================================================
    """
    fresh = _fresh(path)
    if os.path.lexists(fresh):
        if os.path.lexists(path):
            os.unlink(fresh)
            return
        os.rename(fresh, path)
    try:
        former = os.open(f"{path}.0", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    with open(former, "r+b", buffering=0) as file:
        size = os.fstat(former).st_size
        tail = _open_line(former, size)
        if tail and _begins_with(path, tail):
            file.truncate(size - len(tail))


def _begins_with(path: str, text: bytes) -> bool:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(len(text)) == text
    except FileNotFoundError:
        return False


def _open(path: str, flags: int = 0) -> int:
    """Opens a log; what is neither a file nor a device is refused, and never waited for."""
    flags |= os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    fd = os.open(path, flags, 0o600)
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISCHR(mode):
        os.close(fd)
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return fd


def _waits(pipe: int) -> bool:
    """Whether something waits in a pipe; False: it is at its end.

    Raises:
        BlockingIOError: Neither.
    """
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    events = poll.poll(0)
    if not events:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return bool(events[0][1] & select.POLLIN)


def _open_line(fd: int, size: int) -> bytes:
    """What a file ends with after its last whole line; empty where that began long before."""
    end = os.pread(fd, _LINE, max(0, size - _LINE))
    _, newline, tail = end.rpartition(b"\n")
    return tail if newline else b""


def _shift(path: str, backups: int) -> None:
    """Makes each file the next older one, up to a gap; the oldest goes."""
    names = []
    for name in _names(path, backups):
        names.append(name)
        if not os.path.lexists(name):
            break
    for younger, older in reversed(list(itertools.pairwise(names))):
        os.rename(younger, older)


def _remove(path: str, backups: int) -> None:
    for name in present(path, backups):
        if stat.S_ISREG(os.stat(name).st_mode):
            os.unlink(name)


def read(path: str, position: Position, length: int, backups: int) -> bytes:
    """What a log has from a position on, over the change of files.

    A file that is no longer there is taken for the oldest one.

    Raises:
        FileNotFoundError: There is no such log.
        OSError: It cannot be read.
    """
    with contextlib.ExitStack() as opened:
        files = []
        for name in present(path, backups):
            with contextlib.suppress(FileNotFoundError):
                files.append(opened.enter_context(open(name, "rb", buffering=0)))
        if not files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        inodes = [os.fstat(file.fileno()).st_ino for file in files]
        known = position.inode in inodes
        first = inodes.index(position.inode) if known else len(files) - 1
        files[first].seek(position.offset if known else 0)
        found = b""
        for file in reversed(files[: first + 1]):
            found += file.read(length - len(found))
        return found
