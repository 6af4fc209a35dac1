# SPDX-License-Identifier: Apache-2.0
"""Counters of what a process does, kept by the kernel (perf_event_open(2))."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Sequence
from pathlib import Path

#: Numbers of the system call (asm/unistd.h of the kernel), by machine.
_CALLS = {
    "x86_64": 298,
    "aarch64": 241,
    "riscv64": 241,
    "ppc64le": 319,
    "ppc64": 319,
    "s390x": 331,
}

#: ``perf_type_id`` and the number of the event there (linux/perf_event.h).
_HARDWARE, _SOFTWARE = 0, 1
EVENTS = {
    "cpu_cycles": (_HARDWARE, 0),
    "instructions": (_HARDWARE, 1),
    "cache_references": (_HARDWARE, 2),
    "cache_misses": (_HARDWARE, 3),
    "branch_instructions": (_HARDWARE, 4),
    "branch_misses": (_HARDWARE, 5),
    "bus_cycles": (_HARDWARE, 6),
    "stalled_cycles_frontend": (_HARDWARE, 7),
    "stalled_cycles_backend": (_HARDWARE, 8),
    "ref_cpu_cycles": (_HARDWARE, 9),
    "cpu_clock": (_SOFTWARE, 0),
    "task_clock": (_SOFTWARE, 1),
    "page_faults": (_SOFTWARE, 2),
    "context_switches": (_SOFTWARE, 3),
    "cpu_migrations": (_SOFTWARE, 4),
    "page_faults_min": (_SOFTWARE, 5),
    "page_faults_maj": (_SOFTWARE, 6),
    "alignment_faults": (_SOFTWARE, 7),
    "emulation_faults": (_SOFTWARE, 8),
}

#: ``struct perf_event_attr`` of its first size: type, size, event, three words that stay 0, flags,
#: three more. The flags: stopped at first, and for the threads that are made later too.
_ATTRIBUTES = struct.Struct("=IIQQQQQIIQ")
_STOPPED, _INHERITED = 1, 2
_CLOSE_ON_EXEC = 8
_ENABLE = 0x2400  # PERF_EVENT_IOC_ENABLE


class Counter:
    """An event of all threads of a process, those that come later included.

    Args:
        pid: The process.
        event: One of :data:`EVENTS`.

    Raises:
        OSError: The kernel does not count it: the processor has no such counter (ENOENT), say, or
            it is not for us to ask (EACCES, EPERM).
    """

    def __init__(self, pid: int, event: str) -> None:
        self._fds: list[int] = []
        try:
            for thread in _threads(pid):
                self._open(thread, *EVENTS[event])
            for fd in self._fds:
                fcntl.ioctl(fd, _ENABLE, 0)
        except BaseException:
            self.close()
            raise

    def _open(self, thread: int, kind: int, event: int) -> None:
        try:
            self._fds.append(_perf_event_open(thread, kind, event))
        except ProcessLookupError:  # it has just ended
            return

    def read(self) -> int:
        """How often, or nanoseconds for clocks, since it was made."""
        return sum(int.from_bytes(os.read(fd, 8), "little") for fd in self._fds)

    def close(self) -> None:
        """Counts no longer; may be called again."""
        fds, self._fds = self._fds, []
        for fd in fds:
            os.close(fd)


def _threads(pid: int) -> Sequence[int]:
    return sorted(int(path.name) for path in Path(f"/proc/{pid}/task").iterdir())


def _perf_event_open(thread: int, kind: int, event: int) -> int:
    number = _CALLS.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    size = _ATTRIBUTES.size
    flags = _STOPPED | _INHERITED
    made = bytearray(_ATTRIBUTES.pack(kind, size, event, 0, 0, 0, flags, 0, 0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = (ctypes.c_char * size).from_buffer(made)
    fd: int = libc.syscall(
        ctypes.c_long(number),
        ctypes.byref(attributes),
        ctypes.c_int(thread),
        ctypes.c_int(-1),
        ctypes.c_int(-1),
        ctypes.c_ulong(_CLOSE_ON_EXEC),
    )
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return fd
