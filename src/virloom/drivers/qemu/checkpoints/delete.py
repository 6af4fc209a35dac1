# SPDX-License-Identifier: Apache-2.0
"""A checkpoint goes: its bitmaps in one transaction, then its file.

Every bitmap has recorded since its own checkpoint, so nothing has to be merged into its parent's.
A daemon that is killed in between leaves a note of the names; whoever finds it removes the rest.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from virloom.drivers.qemu.block.layers import layers_of
from virloom.drivers.qemu.block.live_nodes import write_tables
from virloom.drivers.qemu.blockjobs.rules import check_idle
from virloom.drivers.qemu.checkpoints import files
from virloom.drivers.qemu.checkpoints.bitmaps import Action, remove_action, with_bitmap
from virloom.drivers.qemu.checkpoints.create import NOTE, covered, drop_note
from virloom.drivers.qemu.checkpoints.nodes import query_bitmaps, transaction
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.runtime.checkpoints import disk_named
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.domain import Disk
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
            await discard(driver, running, gone, all_there=True)
            reached("checkpoint-discarded")
        await files.remove(driver, guest, gone)
    finally:
        if running is not None and guest.running is running:
            drop_note(running)


async def discard(
    driver: QemuDriver, running: RunningGuest, gone: Sequence[Checkpoint], *, all_there: bool
) -> None:
    """Removes the bitmaps of checkpoints, all or none; a disk that has gone has none.

    Args:
        all_there: Refuse if a disk does not have one.

    Raises:
        OperationUnsupported: A job works on a disk whose lower images would have to be written to.
        InternalError: A disk does not have one, or QEMU does not let one go.
    """
    bitmaps = await query_bitmaps(running)
    actions: list[Action] = []
    below: list[tuple[Disk, list[int]]] = []
    for disk, names in _by_disk(running, gone):
        chain = layers_of(running, disk)
        found: set[int] = set()
        for name in names:
            nodes = with_bitmap([layer.node for layer in chain], bitmaps, name)
            if not nodes and all_there:
                raise InternalError(
                    f"bitmap '{name}' not found in backing chain of '{disk.target.dev}'",
                    domain=ErrorDomain.QEMU,
                )
            actions += [remove_action(node, name) for node in nodes]
            found |= {layer.number for layer in chain[1 : len(nodes)]}
        if found:
            check_idle(running, disk)
            below.append((disk, sorted(found)))
    async with AsyncExitStack() as stack:
        for disk, numbers in below:
            await stack.enter_async_context(_written(driver, running, disk, numbers))
        await transaction(running, actions)


def _by_disk(running: RunningGuest, gone: Sequence[Checkpoint]) -> list[tuple[Disk, list[str]]]:
    """The bitmaps of each disk that the guest still has."""
    names: dict[int, list[str]] = {}
    disks: dict[int, Disk] = {}
    for one in gone:
        for name, bitmap in covered(one).items():
            disk = disk_named(running.model, name)
            if disk is not None:
                disks[id(disk)] = disk
                names.setdefault(id(disk), []).append(bitmap)
    return [(disks[key], found) for key, found in names.items()]


@asynccontextmanager
async def _written(
    driver: QemuDriver, running: RunningGuest, disk: Disk, numbers: list[int]
) -> AsyncIterator[None]:
    """Images below the top of a disk may be changed while the block runs."""
    from virloom.drivers.qemu.blockjobs.commit import let_write, take_writing  # seldom needed

    try:
        await let_write(driver, running, disk, numbers)
        for layer in layers_of(running, disk):
            if layer.number in numbers:
                await write_tables(running, disk, layer)
        yield
    finally:
        if running.guest.running is running:
            await take_writing(driver, running, disk)
