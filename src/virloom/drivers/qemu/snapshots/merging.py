# SPDX-License-Identifier: Apache-2.0
"""An external snapshot is deleted: what was written since goes into the image that it is of.

::

    top ─ … ─ above ─ overlay ─ behind ─ …        top ─ … ─ above ─ behind ─ …
                                             ══▶
              (snapshot is of ``behind``)

===========  =============  =======================================================================
work         phase          when the daemon is killed
===========  =============  =======================================================================
``merge``    ``merging``    all of it is done again, as far as it has not been: the overlay keeps
                            what it has until nobody refers to it any more
===========  =============  =======================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.admission import rewrite
from virloom.drivers.qemu.block.chain import ImageLayer, disk_chain
from virloom.drivers.qemu.block.layers import Layer, layers_of
from virloom.drivers.qemu.blockjobs.commit import Span, commit
from virloom.drivers.qemu.blockjobs.ending import pivot, wait_for_end
from virloom.drivers.qemu.blockjobs.job import BlockJob, job_of
from virloom.drivers.qemu.blockjobs.machine import State
from virloom.drivers.qemu.blockjobs.rules import check_idle
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.snapshots import images, store
from virloom.drivers.qemu.snapshots.checks import Part, parts_of
from virloom.drivers.qemu.snapshots.graph import Images, same
from virloom.drivers.qemu.snapshots.journal import Journal, refuse_pending
from virloom.drivers.runtime.image import read_head
from virloom.enums.domain import ConnectDomainEventBlockJobStatus as Status
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, OperationInvalid, VirloomError
from virloom.model.domain import BackingStore, Disk, DiskSource, Domain
from virloom.model.snapshot import Snapshot

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

_REMEDY = "VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY forgets it, and leaves the images"


async def merge_snapshot(driver: QemuDriver, guest: Guest, snapshot: Snapshot) -> None:
    """Deletes an external snapshot; the domain's asynchronous job is held by the caller.

    Raises:
        OperationInvalid: Something else would lose what it has; nothing has changed.
        VirloomError: It failed. The snapshot is still there; if that was halfway, nothing else can
            be done to the domain's snapshots until it has been deleted again.
    """
    pending = Journal.pending(driver, guest)
    if pending is not None and (pending.kind, pending.data["name"]) == ("merge", snapshot.name):
        await carry_out(driver, guest, pending)
        return
    refuse_pending(driver, guest)
    if snapshot.domain is None:
        raise _refused(snapshot, "nobody knows which images it is of")
    parts = parts_of(snapshot, snapshot.domain, "external")
    found = Images.of(driver, guest)
    disks = [_planned(guest, snapshot, part) for part in parts]
    for noted in disks:
        _check(driver, guest, snapshot, found, noted)
    dead = [
        part.overlay
        for part, noted in zip(parts, disks, strict=True)
        if part.overlay and not same(part.overlay, noted["overlay"])
    ]
    memory = snapshot.memory.file if snapshot.memory.snapshot == "external" else None
    data = {"name": snapshot.name, "disks": disks, "dead": dead, "memory": memory}
    journal = Journal.of(driver, guest, "merge", data)
    await journal.enter("merging")
    try:
        await carry_out(driver, guest, journal)
    except VirloomError:
        if not journal.touched:
            journal.end()
        raise


def _refused(snapshot: Snapshot, why: str) -> OperationInvalid:
    return OperationInvalid(
        f"external snapshot '{snapshot.name}' cannot be merged: {why}",
        domain=ErrorDomain.QEMU,
        remedy=_REMEDY,
    )


# -- what is to be done --------------------------------------------------------------------------


def _planned(guest: Guest, snapshot: Snapshot, part: Part) -> dict[str, Any]:
    """The images of a disk that a merge is about, as the journal has them."""
    target = part.disk.target.dev or ""
    chain = _chain(guest, target)
    place = next((n for n, layer in enumerate(chain) if same(layer.path, part.image)), None)
    if place is None:
        raise _refused(snapshot, f"disk '{target}' is not based on '{part.image}' any more")
    if place == 0:
        raise _refused(snapshot, f"disk '{target}' writes to '{part.image}' itself")
    overlay, behind = chain[place - 1], chain[place]
    above = chain[place - 2] if place > 1 else None
    return {
        "target": target,
        "overlay": overlay.path,
        "overlay_format": overlay.format,
        "file": not overlay.block,
        "behind": behind.path,
        "behind_format": behind.format,
        "behind_block": behind.block,
        "above": above.path if above is not None else None,
        "above_format": above.format if above is not None else None,
    }


def _chain(guest: Guest, target: str) -> Sequence[ImageLayer]:
    """The images of a disk as it is now."""
    for disk in guest.model.devices.disks:
        if disk.target.dev == target:
            return disk_chain(disk)
    return ()


def _check(
    driver: QemuDriver, guest: Guest, snapshot: Snapshot, found: Images, noted: dict[str, Any]
) -> None:
    """Refuses a merge by which others would lose what they have.

    Raises:
        OperationInvalid: Who they are.
        BlockCopyActive: The disk has a job.
    """
    if guest.running is not None:
        disk = _disk_of(guest.running, noted)
        if disk is not None:
            check_idle(guest.running, disk)
    found.refuse_change(noted["behind"], but=[noted["overlay"]], owner=snapshot.name)
    found.refuse_change(
        noted["overlay"], but=[noted["above"]] if noted["above"] else [], owner=snapshot.name
    )
    if _keeps_states(noted["overlay"], noted["overlay_format"]):
        raise _refused(snapshot, f"'{noted['overlay']}' has internal snapshots, which would go")


def _keeps_states(path: str, form: str) -> bool:
    """Whether a qcow2 image has internal snapshots (docs/interop/qcow2.txt: bytes 60 to 63)."""
    return form == "qcow2" and int.from_bytes(read_head(path).data[60:64], "big") > 0


# -- doing it --------------------------------------------------------------------------------------


async def carry_out(driver: QemuDriver, guest: Guest, journal: Journal) -> None:
    """Merges, from wherever an earlier attempt has come to.

    Raises:
        VirloomError: An image cannot be read or written.
    """
    for noted in journal.data["disks"]:
        if guest.running is not None:
            await _merge_live(driver, guest.running, journal, noted)
        else:
            journal.touched = True
            await _merge_offline(driver, guest, noted)
        reached("snapshot-disk-merged")
    await _follow(driver, guest, journal)
    reached("snapshot-followed")
    for noted in journal.data["disks"]:
        if noted["file"]:
            _remove(noted["overlay"])
    for path in [*journal.data["dead"], journal.data["memory"]]:
        if path is not None:
            _remove(path)
    journal.end()


def _exists(path: str) -> bool:
    return os.path.exists(path)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


async def _merge_offline(driver: QemuDriver, guest: Guest, noted: dict[str, Any]) -> None:
    if _exists(noted["overlay"]):
        await images.merge(
            noted["overlay"], noted["overlay_format"], noted["behind"], noted["behind_format"]
        )
        reached("snapshot-merged")
        if noted["above"] is not None:
            await images.rebase(
                noted["above"], noted["above_format"], noted["behind"], noted["behind_format"]
            )
            reached("snapshot-rebased")
    if guest.definition is not None:
        await rewrite(driver, guest, lambda tree: _take_out(tree, noted))


def _take_out(tree: Domain, noted: dict[str, Any]) -> None:
    leave_out(tree, [noted])


async def _merge_live(
    driver: QemuDriver, running: RunningGuest, journal: Journal, noted: dict[str, Any]
) -> None:
    disk = _disk_of(running, noted)
    if disk is None:
        return
    told = _tells_chain(running.guest, noted)
    job = job_of(running, disk)
    if job is None:
        layers = layers_of(running, disk)
        span = _span(layers, noted)
        if span is None:
            _require_gone(layers, disk, noted)
            return
        job = await commit(driver, running, disk, span, speed=0, quiet=True)
    journal.touched = True
    if job.mirrors:
        await _until_ready(running, job)
    if job.mirrors and job.state is State.READY:
        await pivot(driver, running, job)
    else:
        await wait_for_end(driver, running, job)
    if job.status != Status.COMPLETED:
        raise OperationFailed(
            f"block commit of disk '{noted['target']}' failed: {job.error}",
            domain=ErrorDomain.QEMU,
        )
    if not told and _tells_chain(running.guest, noted):
        await rewrite(driver, running.guest, lambda tree: _say_less(tree, noted))


def _require_gone(layers: Sequence[Layer], disk: Disk, noted: dict[str, Any]) -> None:
    """Checks that an overlay has been merged, before its file is removed.

    Raises:
        OperationFailed: QEMU still uses it.
    """
    used = [disk.source.file or disk.source.dev or "", *(layer.path for layer in layers)]
    if any(same(path, noted["overlay"]) for path in used):
        raise OperationFailed(
            f"'{noted['overlay']}' of disk '{noted['target']}' is not upon '{noted['behind']}'",
            domain=ErrorDomain.QEMU,
        )


def _tells_chain(guest: Guest, noted: dict[str, Any]) -> bool:
    """Whether the persistent document says what is behind the disk's image."""
    disks = guest.definition.model.devices.disks if guest.definition is not None else []
    return any(
        disk.target.dev == noted["target"] and disk.backing_store is not None for disk in disks
    )


def _say_less(tree: Domain, noted: dict[str, Any]) -> None:
    """What was left to be looked up is left to be looked up, as in libvirt."""
    for disk in tree.devices.disks:
        if disk.target.dev == noted["target"]:
            disk.backing_store = None


async def _until_ready(running: RunningGuest, job: BlockJob) -> None:
    """Returns when both images are the same, or when there is nothing to wait for any more."""
    either: list[asyncio.Future[object]] = [
        asyncio.ensure_future(job.ready.wait()),
        asyncio.ensure_future(job.concluded.wait()),
        asyncio.ensure_future(asyncio.shield(running.ended)),
    ]
    try:
        if job.state is not State.READY:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future in either:
            future.cancel()
    running.require_current()


def _span(layers: Sequence[Layer], noted: dict[str, Any]) -> Span | None:
    for place, layer in enumerate(layers[:-1]):
        if same(layer.path, noted["overlay"]) and same(layers[place + 1].path, noted["behind"]):
            return Span(layer, layers[place + 1], layers[place - 1] if place else None)
    return None


def _disk_of(running: RunningGuest, noted: dict[str, Any]) -> Disk | None:
    for disk in running.model.devices.disks:
        if disk.target.dev == noted["target"]:
            return disk
    return None


# -- what follows ----------------------------------------------------------------------------------


async def _follow(driver: QemuDriver, guest: Guest, journal: Journal) -> None:
    """Other snapshots are of the image that was merged into; the one that went is forgotten."""
    moments = store.snapshots_of(driver, guest)
    for other in moments:
        if other.name == journal.data["name"]:
            continue
        changed = False
        for document in (other.domain, other.inactive_domain):
            if document is not None:
                changed |= leave_out(document, journal.data["disks"])
        if changed:
            await store.write(driver, guest, other)
    snapshot = moments.get(journal.data["name"])
    if snapshot is not None:
        await store.remove(driver, guest, snapshot)


def leave_out(model: Domain, disks: Iterable[dict[str, Any]]) -> bool:
    """Takes overlays that were merged out of a document; returns whether there was one."""
    changed = False
    for noted in disks:
        for disk in model.devices.disks:
            if disk.target.dev == noted["target"]:
                changed |= _leave_out(disk, noted)
    return changed


def _leave_out(disk: Disk, noted: dict[str, Any]) -> bool:
    if same(disk.source.file or disk.source.dev or "", noted["overlay"]):
        path = noted["behind"]
        disk.type = "block" if noted["behind_block"] else "file"
        disk.source = DiskSource(dev=path) if noted["behind_block"] else DiskSource(file=path)
        disk.driver.type = noted["behind_format"]
        store_below = disk.backing_store
        disk.backing_store = _after(store_below, path)
        return True
    return _leave_out_below(disk, noted["overlay"])


def _after(below: BackingStore | None, path: str) -> BackingStore | None:
    """What a document says of what is behind *path*, which is the first that it told of."""
    if below is not None and same(below.source.file or below.source.dev or "", path):
        return below.backing_store
    return below if below is not None and below.type is None else None


def _leave_out_below(disk: Disk, path: str) -> bool:
    holder: Disk | BackingStore = disk
    while holder.backing_store is not None:
        below: BackingStore = holder.backing_store
        if same(below.source.file or below.source.dev or "", path):
            holder.backing_store = below.backing_store
            return True
        holder = below
    return False
