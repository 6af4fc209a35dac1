# SPDX-License-Identifier: Apache-2.0
"""Flags that a call may have."""

from __future__ import annotations

from virloom.drivers.runtime.arguments import senseless, unknown_flags
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid


def check_flags(flags: int, known: int, function: str) -> None:
    """Refuses flags that *function* does not know.

    Raises:
        InvalidArg: With the unknown ones.
    """
    unknown = flags & ~int(known)
    if unknown:
        raise unknown_flags(unknown, function, ErrorDomain.STORAGE)


def check_exclusive(flags: int, one: int, other: int, names: str) -> None:
    """Refuses two flags that exclude each other.

    Raises:
        InvalidArg: Both are given.
    """
    if flags & one and flags & other:
        raise senseless(f"{names} are mutually exclusive", ErrorDomain.STORAGE)


def check_apart(flags: int, one: int, other: int, names: str) -> None:
    """Refuses two flags that exclude each other.

    Raises:
        OperationInvalid: Both are given.
    """
    if flags & one and flags & other:
        raise OperationInvalid(f"{names} exclude each other", domain=ErrorDomain.STORAGE)
