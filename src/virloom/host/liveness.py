# SPDX-License-Identifier: Apache-2.0
"""The liveness lock: a lock that lives exactly as long as a guest's processes.

Beside the guest's record, which is replaced by rename and so cannot carry a lock, lies a file
``NAME.live`` that is never replaced. The launcher takes an OFD lock on it, hands the descriptor to
the guest's process and closes its own: from then on the lock is held until the last process that
inherited the descriptor has ended, whatever became of the launcher. No pid is involved, so no pid
can be mistaken. OFD locks rather than flock, because they can be asked about without taking them.

Standard library only: the guardian process loads this module too.
"""

from __future__ import annotations

import fcntl
import os
import struct

_FLOCK = "hhqqi0q"
"""``struct flock`` of fcntl(2): type, whence, start, length, pid; length 0 is the whole file."""


def _request(kind: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, 0, 0, 0)


def live_path(record_path: str) -> str:
    """The liveness file that belongs to a guest's record (``NAME.json`` has ``NAME.live``)."""
    return os.path.splitext(record_path)[0] + ".live"


def take_liveness(path: str) -> int:
    """Create *path* and lock it; the descriptor is close-on-exec and to be passed on by number.

    Raises:
        BlockingIOError: A process of an earlier guest still holds it.
        OSError: The file cannot be made.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _request(fcntl.F_WRLCK))
    except OSError:
        os.close(fd)
        raise
    return fd


def is_live(path: str) -> bool:
    """Whether a process holds the liveness lock of *path*; False where there is no such file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _request(fcntl.F_WRLCK))
    finally:
        os.close(fd)
    kind: int = struct.unpack(_FLOCK, answer)[0]
    return kind != fcntl.F_UNLCK
