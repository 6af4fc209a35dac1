# SPDX-License-Identifier: Apache-2.0
"""Snapshots of a guest that runs, outside of its images: from now on it writes to others.

===========  =============  =======================================================================
work         phase          when the daemon is killed
===========  =============  =======================================================================
``live``     ``making``     overlays and the memory's file go again; the guest goes on
             ``switching``  QEMU says whether it uses the overlays: else as before. If it does,
                            documents and the snapshot's note follow. If the guest is gone too,
                            they follow as well: the overlays may have its last words
===========  =============  =======================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.admission import rewrite
from virloom.drivers.qemu.agent.access import asking
from virloom.drivers.qemu.block.layers import Layer, layers_of, set_key, show
from virloom.drivers.qemu.block.live_nodes import (
    Image,
    add_format_node,
    add_storage_node,
    next_layer,
)
from virloom.drivers.qemu.block.owners import disown, own
from virloom.drivers.qemu.blockjobs.begin import format_image
from virloom.drivers.qemu.blockjobs.pull import reference_to
from virloom.drivers.qemu.blockjobs.rules import chain_for_job, check_idle
from virloom.drivers.qemu.checkpoints.bitmaps import Action, overlay_actions
from virloom.drivers.qemu.checkpoints.nodes import query_bitmaps
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.hotplug.intention import take_back
from virloom.drivers.qemu.monitor.commands.block import query_named_block_nodes
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.saving import stream
from virloom.drivers.qemu.saving.image import is_partial
from virloom.drivers.qemu.snapshots.checks import Part, parts_of
from virloom.drivers.qemu.snapshots.creation import Request
from virloom.drivers.qemu.snapshots.internal import go_on_or_end, pause
from virloom.drivers.qemu.snapshots.journal import Journal
from virloom.drivers.qemu.snapshots.memory import use_images_again, write_memory
from virloom.drivers.qemu.snapshots.offline import (
    make_file,
    note,
    noted_document,
    noted_part,
    remove_made,
    sync_file,
    take_overlays,
)
from virloom.drivers.runtime.jobs import Job
from virloom.enums.domain import DomainPausedReason, DomainState
from virloom.errors import VirloomError
from virloom.model.domain import Disk, DiskSource
from virloom.model.snapshot import Snapshot

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


logger = logging.getLogger(__name__)

#: Seconds for the end of a guest that is being destroyed.
_END_LIMIT = 30.0


async def put_live_overlays(
    driver: QemuDriver, running: RunningGuest, model: Snapshot, request: Request
) -> None:
    """Has the guest write to new images from a moment on, and keeps its memory of that moment.

    Raises:
        BlockCopyActive: A disk has a job.
        AgentUnresponsive: The guest's file systems cannot be held still.
        VirloomError: It failed; the guest goes on with the images that it had.
    """
    parts = parts_of(model, running.model, "external")
    for part in parts:
        check_idle(running, part.disk)
    journal = Journal.of(driver, running.guest, "live", _noted(running, model, parts, request))
    journal.model = model
    try:
        await journal.enter("making", durable=False)  # an empty image more is no loss
        await _make_overlays(driver, running, parts, journal)
        await _keep_memory(driver, running, model, request, journal)
        await _switch(running, parts, request, journal)
    except VirloomError:
        await until_ended(running)
        if not await settle_live(driver, running.guest, journal):
            raise
        return
    await finish_live(driver, running.guest, journal)


async def until_ended(running: RunningGuest) -> None:
    """Returns when a guest that somebody ends has ended; at once for others."""
    if running.guest.running is running and running.cause is not None:
        await asyncio.wait([running.ended], timeout=_END_LIMIT)


def _noted(
    running: RunningGuest, model: Snapshot, parts: list[Part], request: Request
) -> dict[str, Any]:
    manual = any(entry.snapshot == "manual" for entry in model.disks.disks)
    disks = []
    for part in parts:
        noted = noted_part(part)
        kind = "block" if noted["block"] else "file"
        source = DiskSource(dev=part.overlay) if noted["block"] else DiskSource(file=part.overlay)
        layer = next_layer(running, Image(kind, noted["overlay_format"], source))
        disks.append({**noted, "number": layer.number})
    memory = model.memory.file if model.memory.snapshot == "external" else None
    return {
        "disks": disks,
        "memory": memory,
        "memory_made": memory is not None and not os.path.exists(memory),
        "ran": running.guest.state == DomainState.RUNNING and not manual,
        "manual": manual,
        "halt": request.halt,
        "quiesce": request.quiesce,
        "document": noted_document(model) if request.metadata else None,
    }


def _layer_of(noted: dict[str, Any]) -> Layer:
    """The overlay as one of a chain."""
    number, path = int(noted["number"]), noted["overlay"]
    source = DiskSource(dev=path) if noted["block"] else DiskSource(file=path)
    image = Image("block" if noted["block"] else "file", noted["overlay_format"], source)
    names = (f"libvirt-{number}-format", f"libvirt-{number}-storage")
    return Layer(number, image.kind, image.format, source, *names, image.cache)


# -- made --------------------------------------------------------------------------------------


async def _make_overlays(
    driver: QemuDriver, running: RunningGuest, parts: list[Part], journal: Journal
) -> None:
    sizes = await query_named_block_nodes(running)
    for part, noted in zip(parts, journal.data["disks"], strict=True):
        top = chain_for_job(running, part.disk)[0]
        if noted["made"]:
            make_file(noted["overlay"])
        layer = _layer_of(noted)
        own(driver, running, part.disk, [layer])
        await add_storage_node(driver, running, part.disk, layer, _known, write=True)
        if not noted["reuse"] or noted["block"]:
            options = {
                "driver": layer.format,
                "file": layer.storage,
                "size": sizes[top.node].virtual_size,
                "backing-file": reference_to(top),
                "backing-fmt": top.format,
            }
            await format_image(running, layer.node, options)
        await add_format_node(running, part.disk, layer, None, _known, below_told=False)
        if running.guest.persistent:
            await asyncio.to_thread(sync_file, noted["overlay"])
        reached("snapshot-overlay-made")


def _known(commands: object) -> None:
    """What takes it back is known from the numbers of the images in the note."""


async def _keep_memory(
    driver: QemuDriver,
    running: RunningGuest,
    model: Snapshot,
    request: Request,
    journal: Journal,
) -> None:
    """Writes the memory, if it is to be kept; stops the guest where it has to stand still."""
    path, ran = journal.data["memory"], running.guest.state == DomainState.RUNNING
    if path is None:
        if journal.data["manual"] and ran:
            await pause(running, DomainPausedReason.SNAPSHOT)
        return
    if ran and not request.live:
        await pause(running, DomainPausedReason.SNAPSHOT)
    running.pause_reason = DomainPausedReason.SNAPSHOT  # of a live one QEMU chooses the moment
    await write_memory(driver, running, path, ran=ran)


async def _switch(
    running: RunningGuest, parts: list[Part], request: Request, journal: Journal
) -> None:
    actions: list[Action] = []
    bitmaps = await query_bitmaps(running)
    for part, noted in zip(parts, journal.data["disks"], strict=True):
        top, overlay = layers_of(running, part.disk)[0], _layer_of(noted).node
        data = {"node": top.node, "overlay": overlay}
        # What was changed since a checkpoint is known of the new image too.
        if noted["overlay_format"] == "qcow2":
            actions += overlay_actions(top.node, overlay, bitmaps)
        actions.append({"type": "blockdev-snapshot", "data": data})
    running.save()  # the numbers are taken
    async with _held_still(running, wanted=request.quiesce):
        # A transient domain does not outlive a loss of power, whatever is on the disk.
        await journal.enter("switching", durable=running.guest.persistent)
        if actions:
            await running.execute("transaction", {"actions": actions})
        reached("snapshot-switched")


@asynccontextmanager
async def _held_still(running: RunningGuest, *, wanted: bool) -> AsyncIterator[None]:
    """Keeps the guest's file systems as they are while the block runs, whatever comes of it."""
    if not wanted:
        yield
        return
    async with asking(running.guest, Job.MODIFY, "snapshot") as asked:
        try:
            await asked.execute("guest-fsfreeze-freeze")
            yield
        finally:
            with contextlib.suppress(VirloomError):  # an agent that thaws nothing says so
                await asked.execute("guest-fsfreeze-thaw")


async def thaw_left(guest: Guest, journal: Journal) -> None:
    """Lets file systems go that a killed daemon may have had held still; never fails."""
    if not journal.data.get("quiesce") or guest.running is None:
        return
    try:
        async with asking(guest, Job.MODIFY, "takeover") as asked:
            await asked.execute("guest-fsfreeze-thaw")
    except VirloomError as exc:
        logger.warning("domain '%s': its file systems: %s", guest.name, exc)


# -- taken over --------------------------------------------------------------------------------


async def finish_live(driver: QemuDriver, guest: Guest, journal: Journal) -> None:
    """The guest writes to the overlays: documents and note follow, and it goes on."""
    running = guest.running
    if running is not None:
        for noted in journal.data["disks"]:
            _take_live(running, noted)
        running.set_document()
        running.save()
        await running.leases.try_settle()
    reached("snapshot-shown")
    if guest.definition is not None:
        disks = journal.data["disks"]
        chain = running is not None
        await rewrite(driver, guest, lambda tree: take_overlays(tree, disks, chain=chain))
    reached("snapshot-defined")
    await note(driver, guest, journal)
    try:
        if running is not None and journal.data["memory"] is not None and _stays(journal):
            await use_images_again(running)
        await go_on_or_end(guest, journal)
    except VirloomError as exc:  # the snapshot is made, whatever becomes of the guest
        logger.warning("domain '%s' after its snapshot: %s", guest.name, exc)
    journal.end()


def _stays(journal: Journal) -> bool:
    """Whether the guest stays paused."""
    return not journal.data["ran"] and not journal.data["halt"]


def _take_live(running: RunningGuest, noted: dict[str, Any]) -> None:
    """Shows the overlay at the top of its disk's chain, unless that has been done."""
    disk = _disk_of(running, noted)
    layers = layers_of(running, disk) if disk is not None else []
    layer = _layer_of(noted)
    if disk is None or not layers:
        return
    if layers[0].number != layer.number:
        layer.source.seclabels = disk.source.copy().seclabels  # as libvirt does
        show(running, disk, [layer, *layers])
    disown(running, disk)


def _disk_of(running: RunningGuest, noted: dict[str, Any]) -> Disk | None:
    for disk in running.model.devices.disks:
        if disk.target.dev == noted["target"]:
            return disk
    return None


async def undo_live(running: RunningGuest, journal: Journal) -> None:
    """It came to nothing: what was made for it goes, and the guest goes on as it did."""
    if journal.data["memory"] is not None:
        with contextlib.suppress(VirloomError):
            await stream.cancel(running)
    for noted in journal.data["disks"]:
        layer = _layer_of(noted)
        nodes = [("blockdev-del", {"node-name": name}) for name in (layer.node, layer.storage)]
        await take_back(running, nodes)
        await _remove_set(running, noted, layer)
        disk = _disk_of(running, noted)
        if disk is not None:
            disown(running, disk)
    running.save()
    await running.leases.try_settle()
    remove_files(journal)
    if journal.data["ran"] and running.guest.state == DomainState.PAUSED:
        with contextlib.suppress(VirloomError):  # its end is seen by others
            await running.go_on()
    journal.end()


async def _remove_set(running: RunningGuest, noted: dict[str, Any], layer: Layer) -> None:
    """Has QEMU close the overlay, also one that the record does not know of."""
    disk = _disk_of(running, noted)
    if disk is None:
        return
    key = set_key(alias_of(disk), layer.storage)
    running.record.runtime.get("fdsets", {}).pop(key, None)
    for one in await running.execute("query-fdsets"):
        if any(fd.get("opaque") == key for fd in one["fds"]):
            await take_back(running, [("remove-fd", {"fdset-id": one["fdset-id"]})])


def remove_files(journal: Journal) -> None:
    """Removes what was made, and only that: also a file for the memory that was begun anew."""
    remove_made(journal.data["disks"])
    path = journal.data["memory"]
    if path is not None and (journal.data["memory_made"] or _is_partial(path)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _is_partial(path: str) -> bool:
    try:
        with open(path, "rb", buffering=0) as file:
            return is_partial(file.fileno())
    except OSError:
        return False


async def settle_live(driver: QemuDriver, guest: Guest, journal: Journal) -> bool:
    """Finishes or takes back what has failed, or a killed daemon had begun, as the table says.

    Returns:
        Whether the snapshot has been made.

    Raises:
        VirloomError: QEMU does not say; the note stays.
    """
    running = guest.running
    if journal.phase in ("", "making") and running is None:
        remove_files(journal)
        journal.end()
        return False
    if running is not None and (
        journal.phase in ("", "making") or not await _is_used(running, journal)
    ):
        await undo_live(running, journal)
        return False
    if not guest.known:  # a transient domain has ended; whatever it has written stays
        journal.end()
        return False
    await finish_live(driver, guest, journal)
    return True


async def _is_used(running: RunningGuest, journal: Journal) -> bool:
    """Whether the guest writes to the overlays: QEMU refuses to remove a node that is used."""
    if not journal.data["disks"]:
        return True
    node = _layer_of(journal.data["disks"][0]).node
    await take_back(running, [("blockdev-del", {"node-name": node})])
    return node in await query_named_block_nodes(running)
