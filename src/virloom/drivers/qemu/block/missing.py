# SPDX-License-Identifier: Apache-2.0
"""Disks whose images may be missing when a guest starts (``startupPolicy``)."""

from __future__ import annotations

import os
from typing import NamedTuple

from virloom.drivers.qemu.devices.alias import disk_alias
from virloom.drivers.qemu.process.resources import alias_of, image_path
from virloom.enums.domain import ConnectDomainEventDiskChangeReason as Reason
from virloom.model.domain import Disk, DiskSource, Domain

_DRIVES = ("cdrom", "floppy")


class Missing(NamedTuple):
    """What a guest does without: a medium, or a whole disk.

    Attributes:
        path: Where the image should be; None for a volume, whose place nobody knows.
        alias: The disk's.
        reason: For the event.
    """

    path: str | None
    alias: str
    reason: Reason


def drop_missing(model: Domain, *, restoring: bool) -> list[Missing]:
    """Empties drives, and takes out disks, whose images are missing and may be; the last first.

    Args:
        restoring: The guest goes on from a state.
    """
    dropped = []
    for disk in reversed(list(model.devices.disks)):
        path = image_path(disk)
        if path is None or not may_be_missing(disk, restoring=restoring) or os.path.exists(path):
            continue
        dropped.append(do_without(model, disk, path))
    return dropped


def do_without(model: Domain, disk: Disk, path: str | None) -> Missing:
    """Empties a drive, or takes a disk out; what is to be told of it."""
    alias = alias_of(disk) or disk_alias(model, disk)
    if disk.device not in _DRIVES:
        model.devices.disks.remove(disk)
        return Missing(path, alias, Reason.DROP_MISSING_ON_START)
    disk.type, disk.source = "file", DiskSource()
    disk.driver.type = disk.backing_store = None
    return Missing(path, alias, Reason.CHANGE_MISSING_ON_START)


def may_be_missing(disk: Disk, *, restoring: bool) -> bool:
    """Whether the guest starts without what is in the drive, or without the disk.

    One that goes on from a state has the disks of that state, so only media may be missing then;
    for those ``requisite`` is lenient too.
    """
    if disk.source.fdgroup or (restoring and disk.device not in _DRIVES):
        return False
    lenient = ("optional", "requisite") if restoring else ("optional",)
    return disk.source.startup_policy in lenient
