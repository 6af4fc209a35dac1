# SPDX-License-Identifier: Apache-2.0
"""Locks on bytes of a file that belong to an open file, not to a process (OFD, fcntl(2)).

They meet the POSIX locks of others. They last until the last copy of the descriptor is closed, so
whoever has a copy keeps the lock over the death of the process that took it.
"""

from __future__ import annotations

import fcntl
import os
import struct

#: ``struct flock``: type, whence, start, length, pid (which is to be 0).
_FLOCK = "hhqqi"


def lock_range(fd: int, start: int, length: int, *, shared: bool = False) -> None:
    """Takes a lock without waiting; one that the open file has there already is changed into it.

    Raises:
        BlockingIOError: Somebody else has one that does not go with it.
        OSError: The file system has no such locks, or the descriptor is not for writing.
    """
    _set(fd, fcntl.F_RDLCK if shared else fcntl.F_WRLCK, start, length)


def unlock_range(fd: int, start: int, length: int) -> None:
    """Gives a lock up for every copy of the descriptor."""
    _set(fd, fcntl.F_UNLCK, start, length)


def _set(fd: int, kind: int, start: int, length: int) -> None:
    request = struct.pack(_FLOCK, kind, os.SEEK_SET, start, length, 0)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, request)
    except PermissionError as error:  # what some systems say for EAGAIN (fcntl(2))
        raise BlockingIOError(error.errno, error.strerror) from error
