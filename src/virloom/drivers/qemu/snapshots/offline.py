# SPDX-License-Identifier: Apache-2.0
"""Snapshots of a domain that does not run.

===========  =============  =======================================================================
work         phase          when the daemon is killed
===========  =============  =======================================================================
``within``   ``making``     what has been kept within images goes again
             ``made``       the snapshot is noted
``overlay``  ``making``     the files go again
             ``made``       the domain gets the overlays, and the snapshot is noted
===========  =============  =======================================================================
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.admission import rewrite
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.snapshots import images, store
from virloom.drivers.qemu.snapshots.checks import Part, parts_of
from virloom.drivers.qemu.snapshots.journal import Journal
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, system_failure
from virloom.host.files import sync_directory
from virloom.model.domain import BackingFormat, BackingStore, Disk, DiskSource, Domain
from virloom.model.snapshot import Snapshot
from virloom.xml import FormatFlags, format_document, parse_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


def noted_document(model: Snapshot) -> str:
    """A snapshot as the journal has it."""
    return format_document(model, FormatFlags.SECURE | FormatFlags.INACTIVE)


# -- within the images ---------------------------------------------------------------------------


async def keep_within(driver: QemuDriver, guest: Guest, model: Snapshot, *, metadata: bool) -> None:
    """Keeps the content of all images within them.

    Raises:
        OperationFailed: An image has something of that name already, or cannot be written.
    """
    parts = parts_of(model, guest.model, "internal")
    name = model.name or ""
    for part in parts:
        await refuse_kept(part.image, name)
    journal = Journal.of(
        driver,
        guest,
        "within",
        {
            "name": name,
            "images": [part.image for part in parts],
            "document": noted_document(model) if metadata else None,
        },
    )
    journal.model = model
    try:
        await journal.enter("making")
        for part in parts:
            await images.keep(part.image, name)
            reached("snapshot-image-kept")
    except BaseException:
        await drop_kept(journal.data["images"], name)
        journal.end()
        raise
    await finish_within(driver, guest, journal)


async def refuse_kept(path: str, name: str) -> None:
    """Refuses a name under which an image has kept something that nobody knows of.

    Raises:
        OperationFailed: Which image.
    """
    if name in (await images.facts_of(path, "qcow2")).snapshots:
        raise OperationFailed(
            f"'{path}' has a snapshot '{name}' already, of which the domain does not know",
            domain=ErrorDomain.QEMU,
            remedy="choose another name, or redefine that snapshot with its document",
        )


async def finish_within(driver: QemuDriver, guest: Guest, journal: Journal) -> None:
    """All images have it: the snapshot is noted."""
    await journal.enter("made")
    await note(driver, guest, journal)
    journal.end()


async def drop_kept(paths: Sequence[str], name: str) -> None:
    """Removes from images what has been kept within them, where it has."""
    for path in paths:
        with contextlib.suppress(OperationFailed):
            if name in (await images.facts_of(path, "qcow2")).snapshots:
                await images.drop(path, name)


async def note(driver: QemuDriver, guest: Guest, journal: Journal) -> None:
    """Adds the snapshot, unless that has been done."""
    text = journal.data["document"]
    if text is None:
        return
    model = journal.model or parse_document(Snapshot, text)
    if store.snapshots_of(driver, guest).get(model.name) is None:
        await store.add(driver, guest, model)
    reached("snapshot-noted")


# -- images of their own -------------------------------------------------------------------------


async def put_overlays(
    driver: QemuDriver, guest: Guest, model: Snapshot, *, metadata: bool
) -> None:
    """Puts an empty image before each image that the domain has.

    Raises:
        OperationFailed: One cannot be made.
        SystemFailure: A file cannot be made.
    """
    parts = parts_of(model, guest.model, "external")
    journal = Journal.of(
        driver,
        guest,
        "overlay",
        {
            "disks": [noted_part(part) for part in parts],
            "document": noted_document(model) if metadata else None,
        },
    )
    journal.model = model
    try:
        await journal.enter("making")
        for noted in journal.data["disks"]:
            await _make_overlay(noted)
    except BaseException:
        remove_made(journal.data["disks"])
        journal.end()
        raise
    await finish_overlays(driver, guest, journal)


def noted_part(part: Part) -> dict[str, Any]:
    """A disk and its overlay as the journal has them; ``made`` tells that the file is ours."""
    return {
        "target": part.disk.target.dev,
        "image": part.image,
        "format": part.form,
        "overlay": part.overlay,
        "overlay_format": part.entry.driver.type or "qcow2",
        "block": part.entry.type == "block",
        "made": not os.path.exists(part.overlay),
        "empty": os.path.exists(part.overlay) and os.path.getsize(part.overlay) == 0,
        "reuse": os.path.exists(part.overlay) and os.path.getsize(part.overlay) > 0,
    }


async def _make_overlay(noted: dict[str, Any]) -> None:
    if noted["reuse"] and not noted["block"]:
        return
    if noted["made"]:
        make_file(noted["overlay"])
    size = (await images.facts_of(noted["image"], noted["format"])).size
    await images.make_overlay(
        noted["overlay"], noted["overlay_format"], noted["image"], noted["format"], size
    )
    sync_file(noted["overlay"])
    reached("snapshot-overlay-made")


def make_file(path: str) -> None:
    """Makes the empty file of an overlay; never takes one that is there.

    Raises:
        SystemFailure: It cannot be made.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as exc:
        raise system_failure(
            f"failed to create image file '{path}'", exc, domain=ErrorDomain.QEMU
        ) from exc


def sync_file(path: str) -> None:
    """Returns when an image, and its name, survive the loss of power."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    sync_directory(os.path.dirname(path) or ".")


def remove_made(disks: Sequence[dict[str, Any]]) -> None:
    """Removes the files of overlays that were made, and only those."""
    for noted in disks:
        if noted["made"]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(noted["overlay"])
        elif noted["empty"] and not noted["block"]:
            os.truncate(noted["overlay"], 0)


async def finish_overlays(driver: QemuDriver, guest: Guest, journal: Journal) -> None:
    """All overlays are there: the domain gets them, and the snapshot is noted."""
    if journal.phase != "made":
        await journal.enter("made")
    await note(driver, guest, journal)
    if guest.definition is not None:
        await rewrite(driver, guest, lambda model: take_overlays(model, journal.data["disks"]))
    reached("snapshot-defined")
    journal.end()


def take_overlays(model: Domain, disks: Sequence[dict[str, Any]], *, chain: bool = False) -> None:
    """Gives the disks of a persistent document that still have the former images the overlays.

    Args:
        chain: Also say there what is behind them, as libvirt does for a guest that runs.
    """
    for noted in disks:
        disk = disk_with(model, noted["target"], noted["image"])
        if disk is not None:
            take_overlay(disk, noted, chain=chain)


def disk_with(model: Domain, target: str, image: str) -> Disk | None:
    """The disk of that target, if it has that image."""
    for disk in model.devices.disks:
        if disk.target.dev == target and image in (disk.source.file, disk.source.dev):
            return disk
    return None


def take_overlay(disk: Disk, noted: dict[str, Any], *, chain: bool) -> None:
    """Makes the overlay the disk's image."""
    behind = None
    if chain:
        behind = BackingStore(type=disk.type or "file")
        behind.format = BackingFormat(type=disk.driver.type or "raw")
        behind.source = disk.source.copy()
        behind.source.index = None
        behind.backing_store = disk.backing_store
    path = noted["overlay"]
    disk.type = "block" if noted["block"] else "file"
    disk.source = DiskSource(dev=path) if noted["block"] else DiskSource(file=path)
    disk.driver.type = noted["overlay_format"]
    disk.backing_store = behind


async def undo_making(journal: Journal) -> None:
    """Takes back what a killed daemon had begun to make.

    Raises:
        VirloomError: It cannot be; the note stays.
    """
    if journal.kind == "within":
        await drop_kept(journal.data["images"], journal.data["name"])
    else:
        remove_made(journal.data["disks"])
    journal.end()
