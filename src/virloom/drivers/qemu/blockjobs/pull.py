# SPDX-License-Identifier: Apache-2.0
"""Pull: what is behind a disk's top image, down to an image that stays, is copied into it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from virloom.drivers.qemu.block.layers import Layer, layers_of, removal, show
from virloom.drivers.qemu.block.lookup import find_layer, relative_path
from virloom.drivers.qemu.blockjobs.begin import Preparation
from virloom.drivers.qemu.blockjobs.config import follow
from virloom.drivers.qemu.blockjobs.job import BlockJob
from virloom.drivers.qemu.blockjobs.rules import chain_for_job, check_idle
from virloom.drivers.qemu.devices.props.storage import storage_node
from virloom.drivers.qemu.monitor.commands.jobs import stream
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.domain import ConnectDomainEventBlockJobStatus as Status
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.model.domain import Disk

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def pull(
    driver: QemuDriver,
    running: RunningGuest,
    disk: Disk,
    base: str | None,
    *,
    speed: int,
    relative: bool,
) -> BlockJob:
    """Begins a pull; a job that changes the domain is held.

    Args:
        base: The image that stays behind the top; None where nothing does.
        speed: Bytes in a second at most; 0 is no limit.
        relative: Refer to *base* by a relative path.

    Raises:
        BlockCopyActive: The disk has a job.
        InvalidArg: There is no such image.
        InternalError: QEMU refuses.
    """
    check_idle(running, disk)
    layers = list(chain_for_job(running, disk))
    if relative and base is None:
        raise InvalidArg("a relative base needs a base", domain=ErrorDomain.QEMU)
    top, stays = layers[0], None
    if base is not None:
        stays = find_layer(disk, layers, base, above=top)
    named = None
    if stays is not None:
        named = relative_path(layers, layers[1], stays) if relative else reference_to(stays)
    job = BlockJob("pull", disk, top.node, {"base": stays.number if stays is not None else None})
    job.flushed = top.node
    async with Preparation(running, job) as preparation:
        node = stays.node if stays is not None else None
        command = stream(job.id, top.node, base_node=node, backing_file=named, speed=speed or None)
        await preparation.tell(*command)
    return job


def reference_to(layer: Layer) -> str:
    """How an image refers to another one in its header."""
    if layer.is_local:
        return layer.path
    props = storage_node(layer.kind, layer.source, "", floppy=False)
    return "json:" + json.dumps({"driver": layer.format, "file": props}, separators=(",", ":"))


async def finish_pull(driver: QemuDriver, running: RunningGuest, job: BlockJob, disk: Disk) -> None:
    """The images that were copied leave the chain; of a pull that failed nothing does."""
    if job.status != Status.COMPLETED:
        return
    before = layers_of(running, disk)
    kept = [layer for layer in before[1:] if layer.number == job.data["base"]]
    if job.data["base"] is not None and not kept:
        return
    place = before.index(kept[0]) if kept else len(before)
    after = [before[0], *before[place:]]
    for layer in before[1:place]:
        job.garbage += removal(running, disk, layer)
    show(running, disk, after)
    await follow(driver, running, disk, before, after)
