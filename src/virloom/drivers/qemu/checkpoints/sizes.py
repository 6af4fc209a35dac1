# SPDX-License-Identifier: Apache-2.0
"""How much of each disk has changed since a checkpoint."""

from __future__ import annotations

from virloom.drivers.qemu.checkpoints.bitmaps import (
    is_sound,
    merge_actions,
    remove_action,
    with_bitmap,
)
from virloom.drivers.qemu.checkpoints.create import covered
from virloom.drivers.qemu.checkpoints.nodes import chain_of, query_bitmaps, transaction
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime.checkpoints import disk_named
from virloom.model.snapshot import Checkpoint, CheckpointDisks

#: A bitmap that is there for a moment only.
_SUM = "virloom-changed"


async def with_sizes(running: RunningGuest, checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with the bytes that have changed; none where a bitmap is broken.

    Raises:
        VirloomError: QEMU does not answer.
    """
    sizes = await changed_since(running, covered(checkpoint))
    disks = [disk.beside(size=sizes.get(disk.name or "")) for disk in checkpoint.disks.disks]
    return checkpoint.beside(disks=CheckpointDisks(disks=disks))


async def changed_since(running: RunningGuest, asked: dict[str, str]) -> dict[str, int]:
    """Bytes that changed of each disk since its bitmap was made; without those that have none."""
    bitmaps = await query_bitmaps(running)
    sizes: dict[str, int] = {}
    summed: dict[str, str] = {}
    actions = []
    for name, bitmap in asked.items():
        disk = disk_named(running.model, name)
        chain = chain_of(running, disk) if disk is not None else []
        if not is_sound(chain, bitmaps, bitmap):
            continue
        if len(with_bitmap(chain, bitmaps, bitmap)) == 1:
            sizes[name] = bitmaps[chain[0]][bitmap].marked
            continue
        summed[name] = chain[0]
        actions += merge_actions(chain, bitmaps, bitmap, chain[0], _SUM)
    if summed:
        await transaction(running, actions)
        bitmaps = await query_bitmaps(running)
        await transaction(running, [remove_action(top, _SUM) for top in summed.values()])
        sizes |= {name: bitmaps[top][_SUM].marked for name, top in summed.items()}
    return sizes
