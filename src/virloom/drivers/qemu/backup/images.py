# SPDX-License-Identifier: Apache-2.0
"""The images of a backup: targets that are written, and scratch images of one that is pulled."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from virloom.drivers.qemu.backup.state import Part, RunningBackup, hold_file, keep, let_file
from virloom.drivers.qemu.block.layers import Layer
from virloom.drivers.qemu.block.live_nodes import Image, add_format_node, add_storage_node
from virloom.drivers.qemu.block.owners import own_always
from virloom.drivers.qemu.blockjobs.begin import Preparation, format_image
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InvalidArg, VirloomError, system_failure
from virloom.model.domain import Disk, DiskDriver, DiskSource
from virloom.model.snapshot import BackupDisk, BackupImage

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: Where libvirt 9 has the errors of storage drivers (VIR_FROM_STORAGE is another one's).
_STREAMS = ErrorDomain(24)


class Planned(NamedTuple):
    """One disk of a backup before it begins.

    Attributes:
        told: What the document says of it.
        disk: The guest's disk.
        chain: Its format nodes, the top one first.
        size: Bytes that the guest sees.
        layer: The image that is written.
    """

    told: BackupDisk
    disk: Disk
    chain: list[str]
    size: int
    layer: Layer


def image_of(told: BackupDisk) -> Image:
    """The image that a disk is written to.

    Raises:
        ConfigUnsupported: It is to be encrypted.
    """
    place = _place(told)
    if place.encryption is not None:
        raise ConfigUnsupported(
            f"an encrypted image for the backup of '{told.name}' cannot be made here",
            domain=ErrorDomain.QEMU,
        )
    source = DiskSource(dev=place.dev) if told.type == "block" else DiskSource(file=place.file)
    return Image(told.type or "file", told.driver.type or "qcow2", source)


def path_of(told: BackupDisk) -> str:
    """Of that image."""
    place = _place(told)
    return place.file or place.dev or ""


def _place(told: BackupDisk) -> BackupImage:
    place = told.target or told.scratch
    assert place is not None  # the document is complete
    return place


def check_place(told: BackupDisk, taken: Sequence[str], *, reuse: bool) -> None:
    """Whether the image may be made, or is there to be used.

    Args:
        taken: Paths of the images of other disks.

    Raises:
        InvalidArg: Something is where it is to be made, or will be.
        SystemFailure: There is none that could be used.
    """
    path = path_of(told)
    if path in taken:
        raise _exists(path, told)
    try:
        os.stat(path)
    except FileNotFoundError as exc:
        if reuse or told.type == "block":
            raise system_failure(f"unable to stat: {path}", exc, domain=_STREAMS) from exc
        return
    except OSError as exc:
        raise system_failure(f"unable to stat: {path}", exc, domain=_STREAMS) from exc
    if not reuse and told.type == "file":
        raise _exists(path, told)


def _exists(path: str, told: BackupDisk) -> InvalidArg:
    return InvalidArg(f"store '{path}' for backup of '{told.name}' exists", domain=ErrorDomain.QEMU)


async def make_image(
    driver: QemuDriver,
    running: RunningGuest,
    backup: RunningBackup,
    part: Part,
    planned: Planned,
    preparation: Preparation,
) -> None:
    """Makes the image, unless it is there, and QEMU's nodes of it.

    Raises:
        SystemFailure: The file cannot be made or opened.
        OperationFailed: QEMU cannot format it.
        InternalError: QEMU cannot use it, or somebody else does.
    """
    layer, told = planned.layer, planned.told
    if not backup.reuse and told.type == "file":
        hold_file(running, part.path)
        part.made = True
        keep(running, backup)
        try:
            _make_file(part.path, planned.size if layer.format == "raw" else 0)
        except VirloomError:  # what is there then is somebody else's
            part.made = False
            let_file(running, part.path)
            keep(running, backup)
            raise
        reached("backup-file-made")
    own_always(driver, running, planned.disk, [layer])
    plain = _plain(planned.disk)
    await add_storage_node(driver, running, plain, layer, preparation.note, write=True)
    if not backup.reuse and layer.format != "raw":
        options: dict[str, Any] = {"file": layer.storage, "size": planned.size}
        await format_image(running, layer.node, {"driver": layer.format, **options})
    # What a scratch image has not got is still in the disk itself.
    below = planned.chain[0] if backup.pull else None
    await add_format_node(running, plain, layer, below, preparation.note)


def _make_file(path: str, size: int) -> None:
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, size)
        finally:
            os.close(fd)
    except OSError as exc:
        raise system_failure(f"failed to create image file '{path}'", exc) from exc


def _plain(disk: Disk) -> Disk:
    """The disk without its ways of caching and discarding: those are not the backup's."""
    return disk.beside(driver=DiskDriver(), readonly=None)


def remove_images(running: RunningGuest, backup: RunningBackup, *, useful: bool) -> None:
    """Lets go of the images that were made.

    Args:
        useful: They are what somebody wanted: none is removed.
    """
    for part in backup.parts:
        if not part.made:
            continue
        if not useful:
            _remove(part.path)
        let_file(running, part.path)


def _remove(path: str) -> None:
    """Removes an image that QEMU does not use any more.

    QEMU 7.2 closes the descriptor of a paused guest only when the guest runs again: what the image
    took of the disk is given back before.
    """
    try:
        os.truncate(path, 0)
        os.unlink(path)
    except FileNotFoundError:
        return  # somebody else was faster
    except OSError as exc:
        raise system_failure(f"cannot remove '{path}'", exc) from exc
