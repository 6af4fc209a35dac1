# SPDX-License-Identifier: Apache-2.0
"""Limits of speed: callers give MiB or bytes in a second, QEMU takes bytes."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import NumericOverflow

_MIB = 1 << 20
_LARGEST = 2**63 - 1


def bytes_per_second(bandwidth: int, *, in_bytes: bool) -> int:
    """A limit in bytes; 0 is none.

    Raises:
        NumericOverflow: QEMU has no number for it.
    """
    largest = _LARGEST if in_bytes else _LARGEST // _MIB
    if bandwidth > largest:
        raise NumericOverflow(f"bandwidth must be less than {largest}", domain=ErrorDomain.QEMU)
    return bandwidth if in_bytes else bandwidth * _MIB


def shown(speed: int, *, in_bytes: bool) -> int:
    """A limit as a caller wants it: in bytes, or in MiB rounded up."""
    return speed if in_bytes else -(-speed // _MIB)
