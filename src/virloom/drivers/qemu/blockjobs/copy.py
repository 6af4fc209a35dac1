# SPDX-License-Identifier: Apache-2.0
"""Copy: another image becomes the same as a disk's, and its place can be changed to that.

What is written down here begins with the target opened and formatted (:mod:`.copy_target`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from virloom.drivers.qemu.block.layers import (
    Layer,
    layers_of,
    mirror_layers,
    nested,
    removal,
    root_node,
    show,
)
from virloom.drivers.qemu.block.live_nodes import (
    add_format_node,
    add_storage_node,
    next_layer,
)
from virloom.drivers.qemu.block.owners import own
from virloom.drivers.qemu.blockjobs.begin import Preparation, format_image
from virloom.drivers.qemu.blockjobs.config import follow
from virloom.drivers.qemu.blockjobs.copy_target import (
    Target,
    creation,
    file_to_make,
    make_file,
    plan_target,
)
from virloom.drivers.qemu.blockjobs.job import BlockJob, keep
from virloom.drivers.qemu.blockjobs.rules import chain_for_job, check_idle
from virloom.drivers.qemu.monitor.commands import jobs as qmp
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.domain import ConnectDomainEventBlockJobStatus as Status
from virloom.model.domain import BackingFormat, Disk
from virloom.model.domain.devices.disk import Mirror

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


class CopyOptions(NamedTuple):
    """How a copy is made.

    Attributes:
        shallow: Copy the top image only; what is behind it stands behind the copy too.
        reuse: The target is there, and formatted.
        synchronous: The guest's writes wait for both images.
        speed: Bytes in a second at most; 0 is no limit.
        granularity: Bytes that are copied as one; 0 leaves it to QEMU.
        buf_size: Bytes that are on their way at most; 0 leaves it to QEMU.
    """

    shallow: bool = False
    reuse: bool = False
    synchronous: bool = False
    speed: int = 0
    granularity: int = 0
    buf_size: int = 0


async def copy(
    driver: QemuDriver, running: RunningGuest, disk: Disk, wanted: Disk, options: CopyOptions
) -> BlockJob:
    """Begins a copy; a job that changes the domain is held.

    Args:
        wanted: The target, as a disk's document.

    Raises:
        BlockCopyActive: The disk has a job.
        VirloomError: The target cannot be had; nothing is left of it.
    """
    check_idle(running, disk)
    layers = list(chain_for_job(running, disk))
    target = plan_target(disk, layers, wanted, options.shallow, options.reuse)
    chain = [next_layer(running, image) for image in target.images]
    data = {"nodes": [[layer.node, layer.storage] for layer in chain], "shared": target.shared}
    job = BlockJob("copy", disk, layers[0].node, data)
    try:
        disk.mirror = mirror_of(chain, shared=target.shared)
        async with Preparation(running, job) as preparation:
            await _open(driver, running, disk, layers, chain, target, preparation)
            root = root_node(running, disk)
            await preparation.tell(*_command(job, root, chain[0].node, target, options))
    except BaseException:
        disk.mirror = None
        raise
    return job


def _command(
    job: BlockJob, node: str, target_node: str, target: Target, options: CopyOptions
) -> tuple[str, dict[str, Any]]:
    return qmp.mirror(
        job.id,
        node,
        target_node,
        "top" if target.shallow else "full",
        speed=options.speed or None,
        granularity=options.granularity or None,
        buf_size=options.buf_size or None,
        copy_mode="write-blocking" if options.synchronous else None,
    )


async def _open(
    driver: QemuDriver,
    running: RunningGuest,
    disk: Disk,
    layers: list[Layer],
    chain: list[Layer],
    target: Target,
    preparation: Preparation,
) -> None:
    """The target's nodes, what is behind it first; a new one is made and formatted."""
    note = preparation.note
    below = layers[1].node if target.shared and len(layers) > 1 else None
    for layer in reversed(chain[1:]):
        await add_storage_node(driver, running, disk, layer, note, write=False)
        await add_format_node(running, disk, layer, below, note, write=False)
        below = layer.node
    top = chain[0]
    if target.make:
        size, options = await creation(running, layers, top, target)
        preparation.makes(file_to_make(top))
        make_file(top, size)
        own(driver, running, disk, [top])
        await add_storage_node(driver, running, disk, top, note, write=True)
        if options is not None:
            await format_image(running, top.node, options)
    else:
        own(driver, running, disk, [top])
        await add_storage_node(driver, running, disk, top, note, write=True)
    await add_format_node(running, disk, top, below, note)


def mirror_of(chain: list[Layer], *, shared: bool) -> Mirror:
    """What the live document shows of a copy."""
    top = chain[0]
    mirror = Mirror(type=top.kind, job="copy")
    if top.kind == "file":
        mirror.file, mirror.format_name = top.path, top.format
    mirror.format = BackingFormat(type=top.format)
    mirror.source = top.source.copy()
    mirror.source.index = top.number
    if not shared:
        mirror.backing_store = nested(chain[1:])
    return mirror


async def finish_copy(driver: QemuDriver, running: RunningGuest, job: BlockJob, disk: Disk) -> None:
    """After a pivot the copy is the disk; else it is let go of."""
    before, copied = layers_of(running, disk), mirror_layers(disk, job.data["nodes"])
    if copied:
        job.data["done"] = job.status == Status.COMPLETED
        pivoted = job.data["done"]
        after = [*copied, *(before[1:] if job.data["shared"] else [])]
        root = root_node(running, disk)
        if pivoted and root != before[0].node:
            # QEMU puts the copy in the place of all that was there, what fills the image included.
            job.garbage.append(("blockdev-del", {"node-name": root}))
            running.record.runtime["nodes"][alias_of(disk)]["top"] = copied[0].node
        kept = {layer.number for layer in (after if pivoted else before)}
        for layer in before if pivoted else copied:
            if layer.number not in kept:
                job.garbage += removal(running, disk, layer)
        disk.mirror = None
        if pivoted:
            show(running, disk, after)
            await follow(driver, running, disk, before, after)
    keep(running, job)
