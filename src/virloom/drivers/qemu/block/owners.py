# SPDX-License-Identifier: Apache-2.0
"""Whose the images of a disk are that get another place in its chain.

The image that a guest writes to is its QEMU's own (:mod:`virloom.drivers.qemu.confine.owners`). One
that becomes that is given to it, and one that no longer is goes back; the guest's record lists both
before anything is done, so that none is forgotten at the guest's end.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from virloom.drivers.qemu.block.layers import Layer, layers_of
from virloom.drivers.qemu.confine.owners import ids_of_guest, labelled_files, plan_owners
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.host.release import release
from virloom.model.domain import Disk, DiskSource

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


def own(driver: QemuDriver, running: RunningGuest, disk: Disk, images: Iterable[Layer]) -> None:
    """Gives images to QEMU that the guest is going to write to.

    Raises:
        SystemFailure: One is not there, or cannot be given.
    """
    if not (disk.readonly or disk.shareable or disk.device == "cdrom"):
        own_always(driver, running, disk, images)


def own_always(
    driver: QemuDriver, running: RunningGuest, disk: Disk, images: Iterable[Layer]
) -> None:
    """Gives images to QEMU that it writes to itself, whatever the guest may do with the disk.

    Raises:
        SystemFailure: One is not there, or cannot be given.
        OperationInvalid: The guest has ended.
    """
    running.require_current()  # the record of a guest that has ended is not written again
    record, alias = running.record, alias_of(disk)
    given = {item["path"] for item in record.resources if item["kind"] == "owner"}
    files = [
        file
        for layer in images
        if layer.is_local and layer.path and not layer.source.fdgroup
        for file in labelled_files(running.model, layer.path, alias, _labels(disk, layer))
        if os.path.realpath(file.path) not in given
    ]
    ids = ids_of_guest(driver, running.model)
    planned = plan_owners(driver, running.model, files, record.marker, ids)
    if not planned:
        return
    record.resources += planned
    running.save()
    reached("image-owner-noted")
    for item in planned:
        driver.dac.take(item)


def _labels(disk: Disk, layer: Layer) -> DiskSource:
    """Which source's labels go for an image: a new one's are those of the image before it."""
    return layer.source if layer.source.seclabels else disk.source


def disown(running: RunningGuest, disk: Disk) -> None:
    """Gives back all images of a disk but the one that the guest writes to; saves nothing."""
    record, alias = running.record, alias_of(disk)
    kept = {os.path.realpath(layer.path) for layer in layers_of(running, disk)[:1]}
    left = [
        item
        for item in record.resources
        if item["kind"] == "owner" and item.get("alias") == alias and item["path"] not in kept
    ]
    if left and not release(left):
        record.resources[:] = [item for item in record.resources if item not in left]
