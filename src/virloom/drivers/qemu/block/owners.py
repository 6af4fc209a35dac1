# SPDX-License-Identifier: Apache-2.0
"""Whose the images of a disk are that get another place in its chain.

The image that a guest writes to is its QEMU's own (:mod:`virloom.drivers.qemu.confine.owners`). One
that becomes that is given to it, and one that no longer is goes back; the guest's record lists both
before anything is done, so that none is forgotten at the guest's end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from virloom.drivers.qemu.block.layers import Layer, layers_of
from virloom.drivers.qemu.confine.owners import OwnedFile, ids_of_guest, plan_owners
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.host.release import release
from virloom.model.domain import Disk

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


def own(driver: QemuDriver, running: RunningGuest, disk: Disk, images: Iterable[Layer]) -> None:
    """Gives images to QEMU that it is going to write to.

    Raises:
        SystemFailure: One is not there, or cannot be given.
    """
    if disk.readonly or disk.shareable or disk.device == "cdrom":
        return
    record, alias = running.record, alias_of(disk)
    given = {item["path"] for item in record.resources if item["kind"] == "owner"}
    files = [
        OwnedFile(layer.path, alias)
        for layer in images
        if layer.is_local and not layer.source.fdgroup and layer.path not in given
    ]
    ids = ids_of_guest(driver, running.model)
    planned = plan_owners(driver, running.model, files, record.marker, ids)
    if not planned:
        return
    record.resources += planned
    running.save()
    for item in planned:
        driver.dac.take(item)


def disown(running: RunningGuest, disk: Disk) -> None:
    """Gives back all images of a disk but the one that the guest writes to; saves nothing."""
    record, alias = running.record, alias_of(disk)
    kept = {layer.path for layer in layers_of(running, disk)[:1]}
    left = [
        item
        for item in record.resources
        if item["kind"] == "owner" and item.get("alias") == alias and item["path"] not in kept
    ]
    if left and not release(left):
        record.resources[:] = [item for item in record.resources if item not in left]
