# SPDX-License-Identifier: Apache-2.0
"""What a snapshot needs of a guest's disks, looked at before anything is made."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from virloom.drivers.qemu.hostdevs.state import check_stateless
from virloom.drivers.qemu.snapshots.document import DISK_ONLY, find_disk, is_mixed
from virloom.enums.domain import DomainState
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    OperationInvalid,
    OperationUnsupported,
    system_failure,
)
from virloom.model.domain import Disk, Domain
from virloom.model.snapshot import Snapshot, SnapshotDisk

#: Kinds of sources that an overlay can be made at, and have behind it.
_LOCAL = (None, "file", "block")


class Part(NamedTuple):
    """A disk of the guest and what a snapshot has of it.

    Attributes:
        disk: Of the guest's document.
        entry: Of the snapshot's.
    """

    disk: Disk
    entry: SnapshotDisk

    @property
    def image(self) -> str:
        """The image that the snapshot is of."""
        return self.disk.source.file or self.disk.source.dev or ""

    @property
    def form(self) -> str:
        """Its format."""
        return self.disk.driver.type or "raw"

    @property
    def overlay(self) -> str:
        """The image that comes before it."""
        return self.entry.source.file or self.entry.source.dev or ""


def parts_of(model: Snapshot, domain: Domain, place: str) -> list[Part]:
    """The disks that go to *place*: ``internal``, ``external`` or ``manual``."""
    found = []
    for entry in model.disks.disks:
        disk = find_disk(domain, entry.name or "")
        if entry.snapshot == place and disk is not None:
            found.append(Part(disk, entry))
    return found


def check_possible(model: Snapshot, domain: Domain, state: DomainState, *, reuse: bool) -> None:
    """Refuses what cannot be made of the disks as they are.

    Args:
        reuse: Overlays are there already.

    Raises:
        ConfigUnsupported: A disk is of the wrong kind, or a target is there already.
        OperationInvalid: A disk is being copied.
        OperationUnsupported: The firmware's variables would not be part of it.
        SystemFailure: A target that is to be used is not there.
    """
    active = state != DomainState.SHUTOFF
    for part in parts_of(model, domain, "internal"):
        _check_internal(part, model)
    for part in parts_of(model, domain, "external"):
        _check_external(part, reuse=reuse)
    _check_selection(model, domain)
    if model.memory.snapshot == "internal" and domain.os.loader.type == "pflash":
        raise OperationUnsupported(
            "internal snapshots of a VM with pflash based firmware are not supported",
            domain=ErrorDomain.QEMU,
        )
    if active and model.memory.snapshot in ("internal", "external"):
        check_stateless(domain)
    if active and model.state != DISK_ONLY and state == DomainState.PMSUSPENDED:
        raise OperationUnsupported(
            "qemu doesn't support taking snapshots of PMSUSPENDED guests", domain=ErrorDomain.QEMU
        )
    if active and model.state != DISK_ONLY and model.memory.snapshot == "no":
        raise OperationUnsupported(
            "internal snapshot of a running VM must include the memory state",
            domain=ErrorDomain.QEMU,
        )
    for part in parts_of(model, domain, "external") + parts_of(model, domain, "internal"):
        if part.disk.mirror is not None:
            raise OperationInvalid(
                f"disk '{part.disk.target.dev}' already in active block job",
                domain=ErrorDomain.QEMU,
            )


def _check_internal(part: Part, model: Snapshot) -> None:
    name = part.disk.target.dev
    if model.state == DISK_ONLY:
        raise ConfigUnsupported(
            f"active qemu domains require external disk snapshots; disk {name} requested internal",
            domain=ErrorDomain.QEMU,
        )
    if part.form != "qcow2" or part.disk.type not in _LOCAL:
        raise ConfigUnsupported(
            f"internal snapshot for disk {name} unsupported for storage type {part.form}",
            domain=ErrorDomain.QEMU,
        )
    if part.disk.encryption is not None or part.disk.source.encryption is not None:
        raise ConfigUnsupported(
            f"internal snapshot for disk {name}: the image is encrypted", domain=ErrorDomain.QEMU
        )


def _check_external(part: Part, *, reuse: bool) -> None:
    name = part.disk.target.dev
    kinds = {"disk": part.disk.type, "snapshot": part.entry.type}
    for what, kind in kinds.items():
        if kind not in _LOCAL:
            raise ConfigUnsupported(
                f"external snapshot for disk {name}: {what} of type '{kind}' is unsupported",
                domain=ErrorDomain.QEMU,
            )
    if part.disk.device not in (None, "disk", "lun") or part.disk.transient is not None:
        raise ConfigUnsupported(
            f"external snapshot for disk {name} of this kind is unsupported",
            domain=ErrorDomain.QEMU,
        )
    if part.disk.encryption is not None or part.disk.source.encryption is not None:
        raise ConfigUnsupported(
            f"external snapshot for disk {name}: the image is encrypted", domain=ErrorDomain.QEMU
        )
    _check_target(part, reuse=reuse)


def _check_target(part: Part, *, reuse: bool) -> None:
    path, name = part.overlay, part.disk.target.dev
    try:
        status = os.stat(path)
    except FileNotFoundError as exc:
        if reuse or part.entry.type == "block":
            raise system_failure(
                f"missing existing file for disk {name}: {path}", exc, domain=ErrorDomain.QEMU
            ) from exc
        return
    except OSError as exc:
        raise system_failure(
            f"unable to stat for disk {name}: {path}", exc, domain=ErrorDomain.QEMU
        ) from exc
    if not stat.S_ISBLK(status.st_mode) and status.st_size and not reuse:
        raise ConfigUnsupported(
            f"external snapshot file for disk {name} already exists and is not a block device: "
            f"{path}",
            domain=ErrorDomain.QEMU,
        )
    if os.path.exists(part.image) and os.path.samefile(path, part.image):
        raise ConfigUnsupported(
            f"external snapshot for disk {name}: '{path}' is the disk's image",
            domain=ErrorDomain.QEMU,
        )


def _check_selection(model: Snapshot, domain: Domain) -> None:
    places = {entry.snapshot for entry in model.disks.disks}
    external = "external" in places or "manual" in places
    if not external and "internal" not in places and model.memory.snapshot != "external":
        raise ConfigUnsupported(
            "nothing selected for snapshot"
            if model.state != DISK_ONLY
            else "disk-only snapshots require at least one disk to be selected for snapshot",
            domain=ErrorDomain.QEMU,
        )
    if is_mixed(model) or ("internal" in places and external):
        raise ConfigUnsupported(
            "mixing internal and external targets for snapshot is not yet supported",
            domain=ErrorDomain.QEMU,
        )
    left_out = [
        entry.name
        for entry in model.disks.disks
        if entry.snapshot == "no" and _matters(find_disk(domain, entry.name or ""))
    ]
    if "internal" in places and left_out:
        raise ConfigUnsupported(
            "internal snapshots and checkpoints require all disks to be selected for snapshot",
            domain=ErrorDomain.QEMU,
        )


def _matters(disk: Disk | None) -> bool:
    """Whether a disk that is left out has something that changes."""
    return disk is not None and bool(disk.source.file or disk.source.dev) and not disk.readonly
