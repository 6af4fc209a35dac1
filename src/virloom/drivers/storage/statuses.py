# SPDX-License-Identifier: Apache-2.0
"""What stat(2) tells of a file or a device, as documents say it."""

from __future__ import annotations

import os

from virloom.host.birth import birth
from virloom.model.storage.target import Permissions, Timestamps
from virloom.model.storage.volume import VolumeBacking


def looked_at(backing: VolumeBacking) -> VolumeBacking:
    """The same with what is told of its file, unopened; what cannot be looked at is only named."""
    try:
        descriptor = os.open(backing.path or "", os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError):
        return backing
    try:
        status = os.fstat(descriptor)
        backing.permissions = permissions_of(status, 0o7777)
        backing.timestamps = times_of(status, birth(descriptor))
    finally:
        os.close(descriptor)
    return backing


def permissions_of(status: os.stat_result, mask: int) -> Permissions:
    """Who may do what, as documents say it."""
    return Permissions(
        mode=f"0{status.st_mode & mask:o}",
        owner=_owner(status.st_uid), group=_owner(status.st_gid),
    )  # fmt: skip


def _owner(number: int) -> str:
    """A user or group; libvirt has them as signed numbers."""
    return str(number - (1 << 32) if number >> 31 else number)


def times_of(status: os.stat_result, born: int | None) -> Timestamps:
    """When a file was used, written, changed and made, as documents say it."""
    return Timestamps(
        atime=time_of(status.st_atime_ns), mtime=time_of(status.st_mtime_ns),
        ctime=time_of(status.st_ctime_ns), btime=None if born is None else time_of(born),
    )  # fmt: skip


def time_of(nanoseconds: int) -> str:
    """A time since the epoch, as documents say it: a whole second without its fraction."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{seconds}.{rest:09d}" if rest else str(seconds)
