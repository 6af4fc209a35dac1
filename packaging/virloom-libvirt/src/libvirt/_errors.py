# SPDX-License-Identifier: Apache-2.0
"""Errors as libvirt's binding shows them: an exception, and the last error of each thread."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from libvirt._speakers import SPEAKERS
from virloom.errors import VirloomError

#: (code, domain, message, level, str1, str2, str3, int1, int2)
ErrorTuple = tuple[
    int, int, str | None, int, str | None, str | None, str | None, int | None, int | None
]

_LEVELS = {1: "warning", 2: "error"}


class _PerThread(threading.local):
    last: ErrorTuple | None = None


class _Handler:
    function: Callable[[Any, ErrorTuple], object] | None = None
    context: Any = None


_thread = _PerThread()


class libvirtError(Exception):
    """What every call raises; the accessors give the fields of libvirt's error."""

    def __init__(self, defmsg: str) -> None:
        self.err = virGetLastError()
        super().__init__(defmsg if self.err is None else self.err[2])

    def get_error_code(self) -> int | None:
        """One of ``VIR_ERR_*``."""
        return None if self.err is None else self.err[0]

    def get_error_domain(self) -> int | None:
        """One of ``VIR_FROM_*``."""
        return None if self.err is None else self.err[1]

    def get_error_message(self) -> str | None:
        """The whole message."""
        return None if self.err is None else self.err[2]

    def get_error_level(self) -> int | None:
        """One of ``VIR_ERR_NONE``, ``VIR_ERR_WARNING`` and ``VIR_ERR_ERROR``."""
        return None if self.err is None else self.err[3]

    def get_str1(self) -> str | None:
        """The message's format."""
        return None if self.err is None else self.err[4]

    def get_str2(self) -> str | None:
        """The message's detail."""
        return None if self.err is None else self.err[5]

    def get_str3(self) -> str | None:
        """Nothing, as a rule."""
        return None if self.err is None else self.err[6]

    def get_int1(self) -> int | None:
        """errno of ``VIR_ERR_SYSTEM_ERROR``, -1 otherwise."""
        return None if self.err is None else self.err[7]

    def get_int2(self) -> int | None:
        """-1, as a rule."""
        return None if self.err is None else self.err[8]


def virGetLastError() -> ErrorTuple | None:
    """The last error of this thread as a tuple of nine, or None."""
    return _thread.last


def virGetLastErrorMessage() -> str:
    """Its message; ``no error`` where there is none."""
    return "no error" if _thread.last is None else _thread.last[2] or ""


def virGetLastErrorCode() -> int:
    """Its code; 0 where there is none."""
    return 0 if _thread.last is None else _thread.last[0]


def virGetLastErrorDomain() -> int:
    """Its domain; 0 where there is none."""
    return 0 if _thread.last is None else _thread.last[1]


def virResetLastError() -> None:
    """Forgets it."""
    _thread.last = None


def registerErrorHandler(f: Callable[[Any, ErrorTuple], object] | None, ctx: Any) -> int:
    """Calls *f* with *ctx* and each error's tuple; None puts the output to stderr back."""
    _Handler.function, _Handler.context = f, ctx
    return 1


def tuple_of(error: VirloomError) -> ErrorTuple:
    """The nine fields of an error."""
    form, detail = (error.with_detail.replace("{}", "%s"), error.detail)
    code = getattr(error, "wire_code", error.code)
    strings = (form if detail else error.message, detail or None, None)
    return (
        int(code),
        int(error.domain),
        error.message,
        int(error.level),
        *(error.strings or strings),
        error.int1,
        error.int2,
    )


def fail(error: ErrorTuple | VirloomError, function: str) -> NoReturn:
    """Raises *error* as a libvirtError, after noting it for the thread and telling the handler."""
    _thread.last = tuple_of(error) if isinstance(error, VirloomError) else error
    _tell(_thread.last)
    cause = error if isinstance(error, VirloomError) else None
    raise libvirtError(f"{function}() failed") from cause


def fail_without_error(function: str) -> NoReturn:
    """Raises what a failure without any error of libvirt looks like."""
    virResetLastError()
    raise libvirtError(f"{function}() failed")


def must_not_be_null(function: str, name: str) -> NoReturn:
    """Raises what the binding says of a None in a place that must hold a string or an object."""
    text = f"{name} in {function} must not be NULL"
    fail((8, 20, text, 2, function, name, None, 0, 0), function)


def _tell(error: ErrorTuple) -> None:
    if _Handler.function is not None:
        _Handler.function(_Handler.context, error)
        return
    parts = [
        "libvirt:",
        SPEAKERS.get(error[1], "" if error[1] == 0 else "Unknown"),
        _LEVELS.get(error[3], "error"),
        ":",
    ]
    print(" ".join(part for part in parts if part), error[2], file=sys.stderr)
