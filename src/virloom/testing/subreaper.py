# SPDX-License-Identifier: Apache-2.0
"""Orphans that stay in the family: for tests and benchmarks that must see every process end."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator
from typing import Any

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
"""From linux/prctl.h."""


@contextlib.contextmanager
def child_subreaper() -> Iterator[None]:
    """While entered, orphans of our children become our children (prctl(2)).

    Raises:
        OSError: The kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    before = ctypes.c_int()
    _prctl(libc, _PR_GET_CHILD_SUBREAPER, ctypes.byref(before))
    _prctl(libc, _PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        _prctl(libc, _PR_SET_CHILD_SUBREAPER, before.value)


def _prctl(libc: Any, option: int, value: Any) -> None:
    if libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
