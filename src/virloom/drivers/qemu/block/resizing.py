# SPDX-License-Identifier: Apache-2.0
"""The size that a disk of a guest that runs is to have."""

from __future__ import annotations

import os

from virloom.enums.domain import DomainBlockResizeFlags
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, NumericOverflow, system_failure
from virloom.model.domain import Disk

#: Bytes of a sector: QEMU knows no smaller unit.
_SECTOR = 512
_MOST = 2**64 - 1
#: Formats that need not be told where they end.
_SECTORED = ("qcow2", "qed", "raw")


def new_size(disk: Disk, size: int, flags: int) -> int:
    """Bytes, rounded up to sectors.

    Args:
        size: KiB, or bytes with the flag BYTES.
        flags: :class:`~virloom.enums.domain.DomainBlockResizeFlags`.

    Raises:
        NumericOverflow: More than a number holds.
        InvalidArg: The whole of a device is asked for, and it is none, or of another size.
        SystemFailure: The device cannot be looked at.
    """
    if not flags & DomainBlockResizeFlags.BYTES:
        if size > _MOST // 1024:
            raise NumericOverflow(
                f"size must be less than {_MOST // 1024}", domain=ErrorDomain.QEMU
            )
        size *= 1024
    if flags & DomainBlockResizeFlags.CAPACITY:
        return _capacity(disk, size)
    return -(-size // _SECTOR) * _SECTOR if (disk.driver.type or "raw") in _SECTORED else size


def _capacity(disk: Disk, size: int) -> int:
    """The whole of a raw block device."""
    if disk.type != "block" or (disk.driver.type or "raw") != "raw" or not disk.source.dev:
        raise InvalidArg(
            f"disk '{disk.target.dev}' is no raw block device, whose capacity it could have",
            domain=ErrorDomain.QEMU,
        )
    try:
        with open(disk.source.dev, "rb") as device:
            whole = device.seek(0, os.SEEK_END)
    except OSError as exc:
        raise system_failure(f"cannot look at '{disk.source.dev}'", exc) from exc
    if size not in (0, whole):
        raise InvalidArg(
            f"disk '{disk.target.dev}' has a capacity of {whole} bytes, not {size}",
            domain=ErrorDomain.QEMU,
        )
    return whole
