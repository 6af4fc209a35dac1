# SPDX-License-Identifier: Apache-2.0
"""The lock of a root directory: one driver process per root.

The liveness lock of guests is re-exported here from :mod:`virloom.host.liveness`.
"""

from __future__ import annotations

import fcntl
import os
from types import TracebackType

from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, system_failure
from virloom.host.liveness import (
    guest_processes,
    holders,
    is_live,
    live_path,
    share_liveness,
    take_liveness,
)

__all__ = [
    "LockHeld",
    "RootLock",
    "guest_processes",
    "holders",
    "is_live",
    "live_path",
    "lock_directory",
    "share_liveness",
    "take_liveness",
]

LOCK_NAME = "driver.lock"


def lock_directory(
    directory: str | os.PathLike[str], refusal: str, domain: ErrorDomain
) -> RootLock:
    """The lock of a directory that has one owner at a time, for good manners towards a second.

    Args:
        refusal: What that one is told; who has the lock is added.

    Raises:
        OperationFailed: Another process, or another user of this one, has it.
        SystemFailure: The directory cannot be used.
    """
    try:
        return RootLock.acquire(directory)
    except LockHeld as exc:
        raise OperationFailed(f"{refusal}: {exc}", domain=domain) from exc


class LockHeld(Exception):
    """Another opener has the lock.

    Attributes:
        path: The lock file.
        pid: The holder, or None where it cannot be found out.
    """

    def __init__(self, path: str, pid: int | None) -> None:
        self.path = path
        self.pid = pid
        holder = f"process {pid}" if pid is not None else "another process"
        super().__init__(f"'{path}' is locked by {holder}")


class RootLock:
    """A flock on a file that holds its owner's pid; held until :meth:`release` or process end.

    The file stays when the lock is released: removing it would let two openers lock two files.
    The descriptor is close-on-exec; a child that was forked without exec keeps the lock alive.
    """

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self._fd: int | None = fd

    @classmethod
    def acquire(cls, path: str | os.PathLike[str]) -> RootLock:
        """Take the lock without waiting.

        Args:
            path: The lock file, or an existing directory in which it is ``driver.lock``.

        Raises:
            LockHeld: Someone has it, this process included.
            SystemFailure: The file cannot be opened or written.
        """
        name = os.fspath(path)
        if os.path.isdir(name):
            name = os.path.join(name, LOCK_NAME)
        try:
            fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise system_failure(f"Unable to open the lock file '{name}'", error) from error
        try:
            cls._lock(fd, name)
        except BaseException:
            os.close(fd)
            raise
        return cls(name, fd)

    @staticmethod
    def _lock(fd: int, path: str) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(fd, 0)
            os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        except BlockingIOError as error:
            raise LockHeld(path, _holder(fd)) from error
        except OSError as error:
            raise system_failure(f"Unable to lock '{path}'", error) from error

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> RootLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def _holder(fd: int) -> int | None:
    """Who has the lock: the kernel's word first, then the file's."""
    return _holder_by_kernel(fd) or _holder_by_file(fd)


def _holder_by_kernel(fd: int) -> int | None:
    """The pid in ``/proc/locks`` (proc(5)); None for a lock taken outside our pid namespace.

    Some file systems (overlay, btrfs) show another device there, so no match proves nothing.
    """
    stat = os.fstat(fd)
    file_id = f"{os.major(stat.st_dev):02x}:{os.minor(stat.st_dev):02x}:{stat.st_ino}"
    try:
        with open("/proc/locks", encoding="ascii") as locks:
            for line in locks:
                fields = line.split()
                if fields[1] == "FLOCK" and fields[5] == file_id and int(fields[4]) > 0:
                    return int(fields[4])
    except OSError:
        return None
    return None


def _holder_by_file(fd: int) -> int | None:
    """The pid that the owner wrote; None while it is just about to."""
    content = os.pread(fd, 32, 0).strip()
    return int(content) if content.isdigit() else None
