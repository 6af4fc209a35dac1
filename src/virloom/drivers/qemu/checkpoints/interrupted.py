# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that the former owner did not live to finish making or deleting."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.blockjobs.commit import take_writing
from virloom.drivers.qemu.checkpoints import files
from virloom.drivers.qemu.checkpoints.bitmaps import is_sound
from virloom.drivers.qemu.checkpoints.create import NOTE, covered, drop_note
from virloom.drivers.qemu.checkpoints.delete import discard
from virloom.drivers.qemu.checkpoints.nodes import chain_of, query_bitmaps
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime.checkpoints import disk_named
from virloom.errors import VirloomError
from virloom.model.snapshot import Checkpoint
from virloom.xml import parse_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)


async def settle_checkpoints(driver: QemuDriver, running: RunningGuest) -> None:
    """Finishes what was begun; where that fails the note stays, for the next owner."""
    try:
        await _settle(driver, running)
    except VirloomError as exc:
        logger.error("checkpoints of domain '%s': %s", running.guest.name, exc)


async def _settle(driver: QemuDriver, running: RunningGuest) -> None:
    """QEMU tells whether a new checkpoint has come to be."""
    note: dict[str, Any] = running.record.runtime[NOTE]
    known = files.checkpoints_of(driver, running.guest)
    if "create" in note:
        model = parse_document(Checkpoint, note["create"])
        if known.get(model.name) is None and await _is_there(running, model):
            await files.write(driver, running.guest, model)
            known.replace(model)
            known.current = model.name
    else:
        gone = [one for one in known if one.name in note["delete"]]
        for disk in running.model.devices.disks:
            await take_writing(driver, running, disk)
        await discard(driver, running, gone, all_there=False)
        await files.remove(driver, running.guest, gone)
    drop_note(running)


async def _is_there(running: RunningGuest, model: Checkpoint) -> bool:
    """Whether every disk has its bitmap; one transaction made them all, or none."""
    bitmaps = await query_bitmaps(running)
    found = []
    for name, bitmap in covered(model).items():
        disk = disk_named(running.model, name)
        found.append(disk is not None and is_sound(chain_of(running, disk), bitmaps, bitmap))
    return all(found)
