# SPDX-License-Identifier: Apache-2.0
"""A daemon without memory ends at once: what it holds is on disk, and it is started again."""

from __future__ import annotations

import os
from typing import NoReturn

#: What the process ends with; systemd starts it again after any code but 0.
EXIT_CODE = 70

_LAST_WORDS = b"out of memory: this process ends; guests go on, and the next start finds them\n"


def out_of_memory() -> NoReturn:
    """Ends the process without needing memory for it."""
    os.write(2, _LAST_WORDS)
    os._exit(EXIT_CODE)


def end_if_out_of_memory(error: BaseException | None) -> None:
    """Ends the process if *error*, or what it came from, is a MemoryError."""
    while error is not None:
        if isinstance(error, MemoryError):
            out_of_memory()
        error = error.__cause__
