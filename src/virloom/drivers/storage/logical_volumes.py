# SPDX-License-Identifier: Apache-2.0
"""Logical volumes as volumes of pools: how LVM is asked for one, and what one is made of."""

from __future__ import annotations

import os

from virloom.drivers.storage.encryption import LUKS_HEADER
from virloom.drivers.storage.lvm import LogicalVolume
from virloom.drivers.storage.making import give_away
from virloom.drivers.storage.statuses import looked_at
from virloom.drivers.storage.volumes import in_bytes
from virloom.enums.error import ErrorDomain
from virloom.errors import system_failure
from virloom.host.identity import ProcessIdentity
from virloom.model.storage import Pool, Volume
from virloom.model.storage.volume import (
    Extent,
    VolumeBacking,
    VolumeDevice,
    VolumeSource,
)

_DOMAIN = ErrorDomain.STORAGE
#: lvs(8): the first attribute of snapshots and of thin volumes, which occupy less than they hold.
_SPARSE = "sSV"
#: Pools of thin volumes and of compressed ones, which have no device; the fifth of what is active.
_POOLS, _ACTIVE = "td", "a"
#: A volume that is being made has a tag that begins so, and says by whom.
_MAKING = "virloom.making"


def making_tag() -> str:
    """The tag of volumes that this process makes."""
    return _tag(ProcessIdentity.of(os.getpid()))


def _tag(maker: ProcessIdentity) -> str:
    return f"{_MAKING}.{maker.pid}.{maker.start_time}.{maker.boot_id}"


def is_being_made(found: LogicalVolume) -> bool:
    """Whether it is not whole yet."""
    return any(tag.startswith(f"{_MAKING}.") for tag in found.tags)


def is_whole(found: LogicalVolume) -> bool:
    """Whether it is a volume: active, with content of its own, and finished."""
    kind, state = found.attributes[0], found.attributes[4]
    return state == _ACTIVE and kind not in _POOLS and not is_being_made(found)


def is_abandoned(found: LogicalVolume) -> bool:
    """Whether it is not whole, and who has made it has ended: it never will be."""
    return is_being_made(found) and not any(_lives(tag) for tag in found.tags)


def _lives(tag: str) -> bool:
    words = tag.removeprefix(f"{_MAKING}.").split(".")
    if len(words) != 3 or not words[0].isdigit() or not words[1].isdigit():
        return False
    return ProcessIdentity(int(words[0]), int(words[1]), words[2]).matches()


def wanted(model: Volume, group: str, *, copied: bool = False) -> list[str]:
    """What ``lvcreate`` is told of a volume of *group*; it rounds sizes up to whole extents.

    Args:
        copied: It gets the content of another one, and so has room for it unless it says less.
    """
    capacity, allocation = model.capacity.value or 0, model.allocation.value or 0
    if copied and not allocation:
        allocation = capacity
    words, backing = ["--name", model.name or ""], model.backing_store
    if backing is not None and backing.path:
        return [*words, "-L", _kibibytes(allocation), "-s", "--", backing.path]
    if allocation != capacity:
        sparse = ["--type", "snapshot", "--virtualsize", _kibibytes(capacity)]
        return [*words, "-L", _kibibytes(allocation), *sparse, group]
    header = LUKS_HEADER if model.target.encryption is not None else 0
    return [*words, "-L", _kibibytes(capacity + header), group]


def _kibibytes(size: int) -> str:
    return f"{-(-max(size, 1) // 1024)}K"  # lvcreate takes no zero


def describe(volume: Volume, pool: Pool, found: LogicalVolume) -> None:
    """Adds to what the device of a logical volume is what LVM says of it; by a thread."""
    volume.key = found.uuid
    if found.attributes[0] in _SPARSE:
        volume.allocation = in_bytes(found.size)
    if found.origin and not found.origin.startswith("["):
        volume.backing_store = looked_at(VolumeBacking(path=f"{pool.target.path}/{found.origin}"))
    volume.source = VolumeSource(devices=_parts(found))


def _parts(found: LogicalVolume) -> list[VolumeDevice]:
    """Where its segments are, each device as often as it has one."""
    parts = []
    for segment in found.segments:
        for device, start in segment.places:
            end = start + segment.size
            extent = Extent(start=str(start), end=str(end))
            parts.append(VolumeDevice(path=device, extents=[extent]))
    return parts


def give_device_away(model: Volume) -> None:
    """Sets the mode and the owner of its device; by a thread.

    Raises:
        SystemFailure: There is no such device, or we may not.
    """
    path = model.target.path or ""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as exc:
        raise system_failure(f"cannot open volume '{path}'", exc, domain=_DOMAIN) from exc
    try:
        give_away(model, descriptor)
    finally:
        os.close(descriptor)
