# SPDX-License-Identifier: Apache-2.0
"""What is in a volume is overwritten, as often and with what the algorithm says.

Holes have nothing that could be overwritten, and stay holes. The sequences are those of the
documents that the algorithms are named after, as scrub(1) has them.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator

from virloom.enums.error import ErrorDomain
from virloom.enums.storage import StorageVolWipeAlgorithm as Algorithm
from virloom.errors import (
    ArgumentUnsupported,
    InternalError,
    InvalidArg,
    OperationAborted,
    OperationInvalid,
    system_failure,
)
from virloom.host.range_lock import lock_range
from virloom.model.storage import Volume

_DOMAIN = ErrorDomain.STORAGE
_STEP = 1 << 20
#: Bytes whose locks QEMU keeps on an image that it has open (``block/file-posix.c``: 100 and 200,
#: a byte for each of the permissions).
_QEMU_LOCKS = (100, 200)
_RANDOM = None
#: Gutmann, "Secure Deletion of Data from Magnetic and Solid-State Memory" (1996), table 1.
_GUTMANN = (
    *([_RANDOM] * 4), b"\x55", b"\xaa", b"\x92\x49\x24", b"\x49\x24\x92", b"\x24\x92\x49",
    *(bytes([number * 0x11]) for number in range(16)),
    b"\x92\x49\x24", b"\x49\x24\x92", b"\x24\x92\x49",
    b"\x6d\xb6\xdb", b"\xb6\xdb\x6d", b"\xdb\x6d\xb6", *([_RANDOM] * 4),
)  # fmt: skip
#: What each pass writes; None is random.
PASSES: dict[int, tuple[bytes | None, ...]] = {
    Algorithm.ZERO: (b"\0",),
    Algorithm.NNSA: (_RANDOM, _RANDOM, b"\0"),
    Algorithm.DOD: (_RANDOM, b"\0", b"\xff"),
    Algorithm.BSI: tuple(
        bytes([number]) for number in (0xFF, 0xFE, 0xFD, 0xFB, 0xF7, 0xEF, 0xDF, 0xBF, 0x7F)
    ),
    Algorithm.GUTMANN: _GUTMANN,
    Algorithm.SCHNEIER: (b"\0", b"\xff", *([_RANDOM] * 5)),
    Algorithm.PFITZNER7: (_RANDOM,) * 7,
    Algorithm.PFITZNER33: (_RANDOM,) * 33,
    Algorithm.RANDOM: (_RANDOM,),
}
#: Those that read back what the last pass has written.
_VERIFIED = (Algorithm.NNSA, Algorithm.DOD)


def check_algorithm(algorithm: int) -> None:
    """Refuses what is no way of wiping.

    Raises:
        InvalidArg: There is no such algorithm.
    """
    if algorithm not in list(Algorithm):
        raise InvalidArg.worded(f"wiping algorithm {algorithm} not supported", domain=_DOMAIN)


def passes(algorithm: int) -> tuple[bytes | None, ...]:
    """What each pass of an algorithm writes.

    Raises:
        InvalidArg: There is no such algorithm.
        ArgumentUnsupported: It is ``trim``, which files do not have.
    """
    if algorithm == Algorithm.TRIM:
        raise ArgumentUnsupported("files are not wiped by trimming", domain=_DOMAIN)
    check_algorithm(algorithm)
    return PASSES[algorithm]


def wipe(volume: Volume, algorithm: int, stopped: threading.Event) -> None:
    """Overwrites the volume; by a thread.

    Args:
        stopped: Set by whoever wants it given up.

    Raises:
        OperationInvalid: A guest has it open.
        OperationAborted: It was given up.
        InternalError: It does not hold what was written.
        SystemFailure: It cannot be written.
    """
    path, sequence = volume.target.path or "", passes(algorithm)
    follow = 0 if volume.type == "block" else os.O_NOFOLLOW  # devices' lasting names are links
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY | follow)
    except OSError as exc:
        raise system_failure(
            f"Failed to open storage volume '{path}'", exc, domain=_DOMAIN
        ) from exc
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        _keep_guests_out(descriptor, volume)
        for pattern in sequence:
            for begin, end in list(_sections(descriptor)):
                _write(descriptor, pattern, begin, end, stopped)
            os.fdatasync(descriptor)
        if algorithm in _VERIFIED:
            _verify(descriptor, sequence[-1] or b"", path)
    except OSError as exc:
        raise system_failure(
            f"Failed to write to storage volume '{path}'", exc, domain=_DOMAIN
        ) from exc
    finally:
        os.close(descriptor)


def _keep_guests_out(descriptor: int, volume: Volume) -> None:
    """Takes the locks that QEMU would want; they go with the descriptor."""
    for first in _QEMU_LOCKS:
        try:
            lock_range(descriptor, first, 100)
        except BlockingIOError as exc:
            raise OperationInvalid(
                f"volume '{volume.name}' is still in use.", domain=_DOMAIN
            ) from exc


def _sections(descriptor: int) -> Iterator[tuple[int, int]]:
    """Where there is anything, as beginnings and ends."""
    size, position = os.lseek(descriptor, 0, os.SEEK_END), 0
    while position < size:
        try:
            begin = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno == errno.ENXIO:
                return
            if exc.errno != errno.EINVAL:
                raise
            yield position, size  # a block device has no holes
            return
        position = os.lseek(descriptor, begin, os.SEEK_HOLE)
        yield begin, position


def _write(
    descriptor: int, pattern: bytes | None, begin: int, end: int, stopped: threading.Event
) -> None:
    # The pattern of three bytes goes on across the steps.
    block = b"" if pattern is None else pattern * (3 * _STEP // len(pattern))
    while begin < end:
        if stopped.is_set():
            raise OperationAborted("the wipe was given up")
        length = min(3 * _STEP, end - begin)
        data = memoryview(block or os.urandom(length))[:length]
        begin += os.pwrite(descriptor, data, begin)


def _verify(descriptor: int, pattern: bytes, path: str) -> None:
    for begin, end in _sections(descriptor):
        while begin < end:
            data = os.pread(descriptor, min(_STEP, end - begin), begin)
            if not data or data.count(pattern) != len(data):
                raise InternalError(f"'{path}' does not hold what was written", domain=_DOMAIN)
            begin += len(data)
