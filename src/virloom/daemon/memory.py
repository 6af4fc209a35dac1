# SPDX-License-Identifier: Apache-2.0
"""A daemon without memory ends at once: what it holds is on disk, and it is started again.

What it needs no longer goes back to the system: the C library keeps freed memory for the next who
asks, and after a client that had tens of megabytes waiting there may be no next.
"""

from __future__ import annotations

import functools
import os
from typing import NoReturn

#: What the process ends with; systemd starts it again after any code but 0.
EXIT_CODE = 70

#: Of ``malloc.h``.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
#: Bytes: what two streams have under way at most.
_KEPT = 8 << 20

_LAST_WORDS = b"out of memory: this process ends; guests go on, and the next start finds them\n"


def out_of_memory() -> NoReturn:
    """Ends the process without needing memory for it."""
    os.write(2, _LAST_WORDS)
    os._exit(EXIT_CODE)


def end_if_out_of_memory(error: BaseException | None) -> None:
    """Ends the process if *error*, or what it came from, tells of too little memory.

    A SystemError does too: it is what C code of the interpreter raises where it could not even
    allocate the MemoryError, and nobody goes on with an interpreter that is not well.
    """
    while error is not None:
        if isinstance(error, (MemoryError, SystemError)):
            out_of_memory()
        error = error.__cause__


def give_back() -> None:
    """Returns what is free to the system, where the C library can (``malloc_trim(3)``; glibc)."""
    import ctypes  # costs milliseconds, and most daemons never meet such a client

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))


@functools.cache
def keep_for_streams() -> None:
    """Keeps some megabytes from now on, where the C library can (``mallopt(3)``; glibc).

    It would return and fetch again the pages of each packet of a stream, which costs more than
    to copy the packet; :func:`give_back` returns them all the same.
    """
    import ctypes

    option = getattr(ctypes.CDLL(None), "mallopt", None)
    if option is not None:
        option(_M_MMAP_THRESHOLD, _KEPT)
        option(_M_TRIM_THRESHOLD, _KEPT)
