# SPDX-License-Identifier: Apache-2.0
"""The file of a lease, locked: its first byte, as by libvirt's virtlockd, whose locks it meets."""

from __future__ import annotations

import contextlib
import os

from virloom.enums.error import ErrorDomain
from virloom.errors import ResourceBusy, system_failure
from virloom.host.range_lock import lock_range, unlock_range

#: libvirt 9.0.0 locks this byte (seen in ``/proc/locks``).
_START, _LENGTH = 0, 1

#: What opens an image: a FIFO or a terminal must not hold us up.
_OPEN = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def is_locked(name: str) -> ResourceBusy:
    """The error for a lease that somebody else has."""
    return ResourceBusy(f"Lockspace resource '{name}' is locked", domain=ErrorDomain.LOCKSPACE)


class LeaseFile:
    """An open file with a lock.

    Args:
        path: Where it is.
        fd: Open and locked; ours from now on.
        shared: Others may have such a lock beside it.
        created: It is there for the lock only, and is removed with the last one.
    """

    def __init__(self, path: str, fd: int, *, shared: bool, created: bool) -> None:
        self.path = path
        self.shared = shared
        self.created = created
        self._fd = fd

    @classmethod
    def take(cls, path: str, name: str, *, shared: bool, create: bool) -> LeaseFile:
        """Opens and locks a file; may wait for a remote file system.

        Args:
            name: What errors call it.
            create: Make it, where it is not there.

        Raises:
            ResourceBusy: Somebody has a lock on it.
            SystemFailure: It is not there, cannot be opened, or knows no locks.
        """
        while True:
            fd = _open(path, create=create)
            try:
                lock_range(fd, _START, _LENGTH, shared=shared)
                # Whoever had the lock before may have removed the file in between.
                if not create or _is_at(fd, path):
                    return cls(path, fd, shared=shared, created=create)
            except BlockingIOError as exc:
                os.close(fd)
                raise is_locked(name) from exc
            except OSError as exc:
                os.close(fd)
                raise system_failure(
                    f"Unable to lock resource {path}", exc, domain=ErrorDomain.LOCKSPACE
                ) from exc
            os.close(fd)

    def fileno(self) -> int:
        """The descriptor; a copy of it keeps the lock."""
        return self._fd

    def release(self) -> None:
        """Gives the lock up, also for those who have a copy of the descriptor; may wait.

        Raises:
            OSError: The file system does not let go; the descriptor is closed all the same.
        """
        try:
            if self.created:
                self._remove()
            unlock_range(self._fd, _START, _LENGTH)
        finally:
            self.close()

    def _remove(self) -> None:
        """Removes the file, unless others have it too."""
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            lock_range(self._fd, _START, _LENGTH)
            if _is_at(self._fd, self.path):
                os.unlink(self.path)

    def close(self) -> None:
        """Closes our descriptor only."""
        os.close(self._fd)


def _open(path: str, *, create: bool) -> int:
    flags = _OPEN | os.O_CREAT | os.O_NOFOLLOW if create else _OPEN
    try:
        return os.open(path, flags, 0o600)
    except OSError as exc:
        doing = f"Unable to open{'/create' if create else ''} resource {path}"
        raise system_failure(doing, exc, domain=ErrorDomain.LOCKSPACE) from exc


def _is_at(fd: int, path: str) -> bool:
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    ours = os.fstat(fd)
    return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)
