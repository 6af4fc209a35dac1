# SPDX-License-Identifier: Apache-2.0
"""The persistent document follows what a job has made of a disk, where it meant the same disk."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from virloom.drivers.qemu.admission import rewrite
from virloom.drivers.qemu.block.layers import Layer, nested, same_source, show_source
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.errors import VirloomError
from virloom.model.domain import BackingStore, Disk, DiskSource, Domain

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)


def persistent_disk(model: Domain, target: str | None, source: DiskSource) -> Disk | None:
    """The disk of a document that has that target and that image."""
    for disk in model.devices.disks:
        if disk.target.dev == target and same_source(disk.source, source):
            return disk
    return None


def tells_chain(store: BackingStore | None) -> bool:
    """Whether a document names what is behind a disk's image."""
    return store is not None and store.type is not None


async def follow(
    driver: QemuDriver,
    running: RunningGuest,
    disk: Disk,
    before: Sequence[Layer],
    after: Sequence[Layer],
) -> None:
    """Changes the persistent document, if it names what *before* begins with.

    A document that says nothing of what is behind its image says nothing afterwards, unless it
    gets another image.
    """
    guest = running.guest
    if guest.definition is None or not before or not after:
        return
    target, former = disk.target.dev, before[0].source

    def change(model: Domain) -> None:
        found = persistent_disk(model, target, former)
        if found is None:
            return
        told = tells_chain(found.backing_store)
        if not told and same_source(found.source, after[0].source):
            return
        show_source(found, after[0], index=False)
        # What is behind an image is found again at the next start, unless nothing is.
        found.backing_store = nested(after[1:], indexes=False) if told or not after[1:] else None

    if persistent_disk(guest.definition.model, target, former) is None:
        return
    try:
        await rewrite(driver, guest, change)
    except VirloomError as exc:  # the guest goes on; its next start would use the former image
        logger.error("domain '%s': %s", guest.name, exc)
