# SPDX-License-Identifier: Apache-2.0
"""A checkpoint goes: its bitmaps in one transaction, then its file.

Every bitmap has recorded since its own checkpoint, so nothing has to be merged into its parent's.
A daemon that is killed in between leaves a note of the names; whoever finds it removes the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from virloom.drivers.qemu.checkpoints import files
from virloom.drivers.qemu.checkpoints.bitmaps import remove_action, with_bitmap
from virloom.drivers.qemu.checkpoints.create import NOTE, covered, drop_note
from virloom.drivers.qemu.checkpoints.nodes import chain_of, query_bitmaps, transaction
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.runtime.checkpoints import disk_named
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.snapshot import Checkpoint

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def delete(
    driver: QemuDriver, guest: Guest, gone: list[Checkpoint], *, metadata_only: bool
) -> None:
    """Deletes checkpoints; a job that changes the domain is held.

    Args:
        metadata_only: Leave the bitmaps, for whoever describes the checkpoints again.

    Raises:
        InternalError: A disk does not have a bitmap, or QEMU does not let it go; nothing is gone.
        SystemFailure: A file cannot be removed.
    """
    running = None if metadata_only else guest.require_running(ErrorDomain.QEMU)
    if running is not None:
        running.record.runtime[NOTE] = {"delete": [one.name for one in gone]}
        running.save()
        reached("checkpoint-noted")
    try:
        if running is not None:
            await discard(running, gone, all_there=True)
            reached("checkpoint-discarded")
        await files.remove(driver, guest, gone)
    finally:
        if running is not None and guest.running is running:
            drop_note(running)


async def discard(running: RunningGuest, gone: Sequence[Checkpoint], *, all_there: bool) -> None:
    """Removes the bitmaps of checkpoints, all or none; a disk that has gone has none.

    Args:
        all_there: Refuse if a disk does not have one.

    Raises:
        InternalError: It does not, or QEMU does not let one go.
    """
    bitmaps = await query_bitmaps(running)
    actions = []
    for one in gone:
        for name, bitmap in covered(one).items():
            disk = disk_named(running.model, name)
            if disk is None:
                continue
            nodes = with_bitmap(chain_of(running, disk), bitmaps, bitmap)
            if not nodes and all_there:
                raise InternalError(
                    f"bitmap '{bitmap}' not found in backing chain of '{name}'",
                    domain=ErrorDomain.QEMU,
                )
            actions += [remove_action(node, bitmap) for node in nodes]
    await transaction(running, actions)
