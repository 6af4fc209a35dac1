# SPDX-License-Identifier: Apache-2.0
"""Disks whose images may be missing when a guest starts (``startupPolicy``)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from virloom.drivers.qemu.process.resources import alias_of, image_path
from virloom.enums.domain import ConnectDomainEventDiskChangeReason as Reason
from virloom.model.domain import Disk, DiskSource, Domain


class Missing(NamedTuple):
    """What a guest does without: a medium, or a whole disk.

    Attributes:
        path: Where the image should be.
        alias: The disk's.
        reason: For the event.
    """

    path: str
    alias: str
    reason: Reason


def drop_missing(model: Domain, *, restoring: bool) -> list[Missing]:
    """Empties drives, and takes out disks, whose images are missing and may be.

    Args:
        restoring: The guest goes on from a state, for which ``requisite`` is lenient too.
    """
    return list(_dropped(model, ("optional", "requisite") if restoring else ("optional",)))


def _dropped(model: Domain, lenient: tuple[str, ...]) -> Iterator[Missing]:
    for disk in list(model.devices.disks):
        path = image_path(disk)
        if path is None or not _may_be_missing(disk, lenient) or os.path.exists(path):
            continue
        if disk.device in ("cdrom", "floppy"):
            disk.source = DiskSource()
            yield Missing(path, alias_of(disk), Reason.CHANGE_MISSING_ON_START)
        else:
            model.devices.disks.remove(disk)
            yield Missing(path, alias_of(disk), Reason.DROP_MISSING_ON_START)


def _may_be_missing(disk: Disk, lenient: tuple[str, ...]) -> bool:
    return disk.source.startup_policy in lenient and not disk.source.fdgroup
