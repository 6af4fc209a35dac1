# SPDX-License-Identifier: Apache-2.0
"""Flags that a call may have."""

from __future__ import annotations

from functools import partial

from virloom.drivers.runtime import arguments
from virloom.drivers.runtime.arguments import senseless
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import StoragePoolBuildFlags as Build
from virloom.errors import OperationInvalid

#: Refuses flags that a function does not know.
check_flags = partial(arguments.check_flags, domain=ErrorDomain.STORAGE)


def check_exclusive(flags: int, one: int, other: int, names: str) -> None:
    """Refuses two flags that exclude each other.

    Raises:
        InvalidArg: Both are given.
    """
    if flags & one and flags & other:
        raise senseless(f"{names} are mutually exclusive", ErrorDomain.STORAGE)


def check_build_flags(flags: int, function: str) -> None:
    """Refuses all flags of a build but the two about overwriting, and both of these at once.

    Raises:
        InvalidArg: There are others, or both.
    """
    check_flags(flags, Build.OVERWRITE | Build.NO_OVERWRITE, function)
    check_exclusive(
        flags, Build.OVERWRITE, Build.NO_OVERWRITE,
        "Flags 'VIR_STORAGE_POOL_BUILD_OVERWRITE' and 'VIR_STORAGE_POOL_BUILD_NO_OVERWRITE'",
    )  # fmt: skip


def check_apart(flags: int, one: int, other: int, names: str) -> None:
    """Refuses two flags that exclude each other.

    Raises:
        OperationInvalid: Both are given.
    """
    if flags & one and flags & other:
        raise OperationInvalid(f"{names} exclude each other", domain=ErrorDomain.STORAGE)
