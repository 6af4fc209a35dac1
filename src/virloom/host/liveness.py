# SPDX-License-Identifier: Apache-2.0
"""The liveness lock: a lock that lives exactly as long as a guest's processes.

Beside the guest's record, which is replaced by rename and so cannot carry a lock, lies a file
``NAME.live`` that is never replaced. The launcher takes an OFD lock on it, hands the descriptor to
the guest's process and closes its own: from then on the lock is held until the last process that
inherited the descriptor has ended, whatever became of the launcher. No pid is involved, so no pid
can be mistaken. OFD locks rather than flock, because they can be asked about without taking them.

The guardian process loads this module too and has to stay small: only what is needed is imported.
"""

from __future__ import annotations

import fcntl
import os
import struct

from virloom.host.identity import ProcessIdentity, find_by_environ, process_ids

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
    return _take(path, fcntl.F_WRLCK)


def share_liveness(path: str) -> int:
    """As :func:`take_liveness`, for processes that hold the lock of one file together.

    Raises:
        OSError: The file cannot be made.
    """
    return _take(path, fcntl.F_RDLCK)


def _take(path: str, kind: int) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _request(kind))
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


def holders(path: str) -> list[ProcessIdentity]:
    """The processes, other than this one, that hold the liveness lock of *path*.

    It finds a process at every moment of its life, also between fork and exec, when its
    environment is still its parent's. Sees the processes that this user may look into.
    """
    try:
        wanted = os.stat(path)
    except FileNotFoundError:
        return []
    found = []
    for pid in process_ids():
        if pid == os.getpid() or not _holds(pid, wanted):
            continue
        try:
            found.append(ProcessIdentity.of(pid))
        except ProcessLookupError:  # it ended while we looked
            continue
    return found


def guest_processes(path: str, variable: str, value: str) -> list[ProcessIdentity]:
    """The processes of a guest: those that hold its lock, else those with its marker.

    The lock finds them at any moment, the environment (not to be read in the middle of an exec)
    still does should the lock's file be lost.
    """
    return holders(path) or find_by_environ(variable, value)


def _holds(pid: int, wanted: os.stat_result) -> bool:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:  # gone, or another user's
        return False
    return any(_is_locked_file(f"/proc/{pid}", name, wanted) for name in names)


def _is_locked_file(process: str, fd: str, wanted: os.stat_result) -> bool:
    """Whether a descriptor is *wanted* and carries a lock; others may just be looking at it."""
    try:
        if not os.path.samestat(os.stat(f"{process}/fd/{fd}"), wanted):
            return False
        with open(f"{process}/fdinfo/{fd}", encoding="ascii") as info:
            return any(line.startswith("lock:") and "OFDLCK" in line for line in info)
    except OSError:  # closed while we looked
        return False
