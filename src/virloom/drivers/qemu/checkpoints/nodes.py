# SPDX-License-Identifier: Apache-2.0
"""The disks of a running guest as QEMU's block nodes and their bitmaps."""

from __future__ import annotations

from virloom.drivers.qemu.checkpoints.bitmaps import Action, Bitmap, read_bitmaps
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.model.domain import Disk


def chain_of(running: RunningGuest, disk: Disk) -> list[str]:
    """The format nodes of a disk's images, the top one first."""
    nodes = running.record.runtime.get("nodes", {}).get(alias_of(disk), {})
    return [str(names[0]) for names in nodes.get("layers", ())]


async def query_bitmaps(running: RunningGuest) -> dict[str, dict[str, Bitmap]]:
    """The bitmaps of all nodes.

    Raises:
        VirloomError: QEMU does not answer.
    """
    return read_bitmaps(await running.execute("query-named-block-nodes", {"flat": True}))


async def transaction(running: RunningGuest, actions: list[Action]) -> None:
    """Has QEMU do all of it, or nothing.

    Raises:
        InternalError: QEMU refuses one.
    """
    if actions:
        await running.execute("transaction", {"actions": actions})
