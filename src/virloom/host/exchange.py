# SPDX-License-Identifier: Apache-2.0
"""Two files change places in one step: renameat2(2), for which Python 3.11 has no function."""

from __future__ import annotations

import ctypes
import errno
import os

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
"""linux/fs.h."""

_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def exchange(one: str, other: str) -> None:
    """Gives each file the other's name.

    Raises:
        OSError: One is not there, the kernel refuses, or the file system or the C library has no
            such thing.
    """
    if _renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    paths = os.fsencode(one), os.fsencode(other)
    if _renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), one, None, other)
