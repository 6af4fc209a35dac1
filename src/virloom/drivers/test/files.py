# SPDX-License-Identifier: Apache-2.0
"""Files that calls name: read and written without waiting, for a daemon has other clients."""

from __future__ import annotations

import errno
import os
import stat

_PERMISSIONS = 0o666


def read_file(path: str, limit: int) -> bytes:
    """At most *limit* bytes of a regular file.

    Raises:
        OSError: It cannot be read, or is something else.
    """
    # Without O_NONBLOCK a named pipe would hold us until somebody writes to it.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with open(fd, "rb") as file:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
            raise OSError(code, os.strerror(code), path)
        return file.read(limit)


def write_file(path: str, data: bytes) -> None:
    """Makes *data* the content of a file.

    Raises:
        OSError: It cannot be written, or nobody reads from the pipe that it is.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    with open(os.open(path, flags, _PERMISSIONS), "wb") as file:
        file.write(data)
