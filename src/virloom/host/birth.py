# SPDX-License-Identifier: Apache-2.0
"""When a file came to be: ``statx(2)``, for which Python 3.11 has no function."""

from __future__ import annotations

import ctypes
import struct

_AT_EMPTY_PATH = 0x1000
_STATX_BTIME = 0x800
#: ``struct statx`` of linux/stat.h: its size, and where the mask and the time of birth are.
_SIZE, _MASK, _BIRTH = 256, 0, 80

_libc = ctypes.CDLL(None, use_errno=True)


def birth(descriptor: int) -> int | None:
    """Nanoseconds since the epoch; None where the file system does not keep it."""
    buffer = ctypes.create_string_buffer(_SIZE)
    if _libc.statx(descriptor, b"", _AT_EMPTY_PATH, _STATX_BTIME, buffer) != 0:
        return None
    if not struct.unpack_from("=I", buffer, _MASK)[0] & _STATX_BTIME:
        return None
    seconds, nanoseconds = struct.unpack_from("=qI", buffer, _BIRTH)
    return int(seconds) * 10**9 + int(nanoseconds)
