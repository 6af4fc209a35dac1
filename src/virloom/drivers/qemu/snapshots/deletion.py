# SPDX-License-Identifier: Apache-2.0
"""Snapshots are forgotten, and what was kept for them goes or is merged.

===========  =============  =======================================================================
work         phase          when the daemon is killed
===========  =============  =======================================================================
``drop``     ``dropping``   the rest of what is within the images goes, and the snapshot is
                            forgotten: without a part of it, it is none any more
===========  =============  =======================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.block.chain import disk_chain
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.snapshots import images, qmp, store
from virloom.drivers.qemu.snapshots.checks import Part, parts_of
from virloom.drivers.qemu.snapshots.document import has_internal
from virloom.drivers.qemu.snapshots.graph import same
from virloom.drivers.qemu.snapshots.internal import node_of
from virloom.drivers.qemu.snapshots.journal import Journal, refuse_pending
from virloom.drivers.runtime.moments import is_external
from virloom.enums.error import ErrorDomain
from virloom.enums.snapshot import DomainSnapshotDeleteFlags
from virloom.errors import OperationInvalid, SystemFailure
from virloom.model.snapshot import Snapshot

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

_Flags = DomainSnapshotDeleteFlags


async def delete(driver: QemuDriver, guest: Guest, snapshot: Snapshot, flags: int) -> None:
    """Deletes a snapshot, those below it, or both; the domain's job is held by the caller.

    Those below go first, so that nothing ever stands upon what has gone.

    Raises:
        VirloomError: One cannot be deleted; those below it that could are gone.
    """
    moments = store.snapshots_of(driver, guest)
    children = bool(flags & (_Flags.CHILDREN | _Flags.CHILDREN_ONLY))
    itself = not flags & _Flags.CHILDREN_ONLY
    if flags & _Flags.METADATA_ONLY:
        await store.remove(driver, guest, snapshot, children=children, itself=itself)
        return
    below = moments.below(snapshot.name, deep=True) if children else []
    for one in [*reversed(below), *([snapshot] if itself else [])]:
        await _delete_one(driver, guest, one)


async def _delete_one(driver: QemuDriver, guest: Guest, snapshot: Snapshot) -> None:
    if is_external(snapshot):
        from virloom.drivers.qemu.snapshots.merging import merge_snapshot

        await merge_snapshot(driver, guest, snapshot)
        return
    refuse_pending(driver, guest)
    if not has_internal(snapshot) or snapshot.domain is None:
        await store.remove(driver, guest, snapshot)
        return
    parts = parts_of(snapshot, snapshot.domain, "internal")
    if guest.running is not None:
        _refuse_used(guest.running, parts)
    journal = Journal.of(driver, guest, "drop", noted(snapshot, parts))
    await journal.enter("dropping")
    await drop(driver, guest, journal)


def noted(snapshot: Snapshot, parts: list[Part]) -> dict[str, Any]:
    """What the journal has of a snapshot that goes."""
    return {"name": snapshot.name, "images": [part.image for part in parts]}


def _refuse_used(running: RunningGuest, parts: list[Part]) -> None:
    """Refuses to change an image that QEMU reads behind another one.

    Raises:
        OperationInvalid: QEMU does.
    """
    for disk in running.model.devices.disks:
        for layer in disk_chain(disk)[1:]:
            if any(same(layer.path, part.image) for part in parts):
                raise OperationInvalid(
                    f"'{layer.path}' cannot be changed while the guest runs: it is behind disk "
                    f"'{disk.target.dev}'",
                    domain=ErrorDomain.QEMU,
                    remedy="shut the guest off, or delete the metadata only",
                )


async def drop(driver: QemuDriver, guest: Guest, journal: Journal) -> None:
    """Removes what is kept within the images, where it is still there, and forgets the snapshot.

    Raises:
        VirloomError: It cannot be removed; the snapshot is still known.
    """
    name = str(journal.data["name"])
    used = await _drop_running(guest.running, name, journal.data["images"])
    for path in journal.data["images"]:
        if path in used:
            continue
        try:
            if name in (await images.facts_of(path, "qcow2")).snapshots:
                await images.drop(path, name)
        except SystemFailure:
            continue
        reached("snapshot-image-dropped")
    snapshot = store.snapshots_of(driver, guest).get(name)
    if snapshot is not None:
        await store.remove(driver, guest, snapshot)
    journal.end()


async def _drop_running(running: RunningGuest | None, name: str, paths: list[str]) -> set[str]:
    """Has QEMU remove it from the images that it uses; returns which those are."""
    if running is None:
        return set()
    found = {}
    for disk in running.model.devices.disks:
        image = disk.source.file or disk.source.dev or ""
        for path in paths:
            if image and same(image, path):
                found[path] = node_of(running, disk)
    if found:
        await qmp.delete_state(running, name, list(found.values()))
        reached("snapshot-image-dropped")
    return set(found)
