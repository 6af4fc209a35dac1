# SPDX-License-Identifier: Apache-2.0
"""From a client's document to a snapshot of a domain: what is taken of which disk, and where."""

from __future__ import annotations

import os.path
import time
from typing import NamedTuple

from virloom.drivers.qemu.snapshots.store import check_snapshot_name
from virloom.drivers.runtime.moments import Moments, is_external, parent_of
from virloom.enums.domain import DomainState
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    OperationFailed,
    XmlError,
)
from virloom.model.domain import Disk, DiskSource, Domain
from virloom.model.snapshot import Snapshot, SnapshotDisk, SnapshotDisks
from virloom.xml import parse_document

_DOMAIN = ErrorDomain.DOMAIN_SNAPSHOT

#: The states of snapshots with a memory.
RUNS = ("running", "paused", "pmsuspended")
DISK_ONLY = "disk-snapshot"
_STATES = {
    DomainState.NOSTATE: "nostate",
    DomainState.RUNNING: "running",
    DomainState.BLOCKED: "blocked",
    DomainState.PAUSED: "paused",
    DomainState.SHUTDOWN: "shutdown",
    DomainState.SHUTOFF: "shutoff",
    DomainState.CRASHED: "crashed",
    DomainState.PMSUSPENDED: "pmsuspended",
}
#: Formats that an overlay may have.
OVERLAYS = ("qcow2",)


class Wish(NamedTuple):
    """What the flags of a creation ask for.

    Attributes:
        disk_only: No memory.
        reuse: The targets are there already.
        default: Where a disk goes that the document says nothing of.
    """

    disk_only: bool = False
    reuse: bool = False
    default: str = "internal"


def parse_snapshot(text: str, *, validate: bool) -> Snapshot:
    """The tree of a client's document, with a name.

    Raises:
        XmlError: It is malformed or incomplete.
        XmlDetail: Its name cannot be a file's.
    """
    model = parse_document(Snapshot, text, validate=validate)
    if not model.name:
        model.name = str(model.creation_time or int(time.time()))
    check_snapshot_name(model.name)
    check_memory(model)
    return model


def check_memory(model: Snapshot) -> None:
    """Refuses a memory that goes nowhere, or into a file of no fixed place.

    Raises:
        XmlError: Which of the two.
    """
    memory = model.memory
    if memory.file is not None and memory.snapshot is None:
        memory.snapshot = "external"
    if memory.file is not None and memory.snapshot != "external":
        raise XmlError(
            f"memory filename '{memory.file}' requires external snapshot", domain=_DOMAIN
        )
    if memory.snapshot == "external":
        if not memory.file:
            raise XmlError("external memory snapshots require a filename", domain=_DOMAIN)
        if not os.path.isabs(memory.file):
            raise XmlError(
                f"memory snapshot file path ({memory.file}) must be absolute", domain=_DOMAIN
            )


def settle_memory(model: Snapshot, *, active: bool, disk_only: bool) -> None:
    """Decides where the memory goes that nobody has said anything of.

    Raises:
        XmlError: There is none to be kept, or it is asked for and not.
    """
    memory = model.memory
    wants = memory.snapshot not in (None, "no")
    if wants and disk_only:
        raise XmlError("memory state cannot be saved with a disk-only snapshot", domain=_DOMAIN)
    if wants and not active:
        raise XmlError(
            "memory state cannot be saved with offline or disk-only snapshot", domain=_DOMAIN
        )
    if memory.snapshot is None:
        memory.snapshot = "internal" if active and not disk_only else "no"


def complete_new(
    model: Snapshot, live: Domain, persistent: Domain | None, state: DomainState, wish: Wish
) -> None:
    """Fills in what a snapshot of now has: state, time, documents, and one entry for each disk.

    Args:
        live: The document that the snapshot is of.
        persistent: That of the next start, where the guest runs.

    Raises:
        VirloomError: Disks and memory do not go together.
    """
    active = state not in (DomainState.SHUTOFF, DomainState.CRASHED) or persistent is not None
    model.state = _STATES[state]
    model.creation_time = int(time.time())
    model.parent = None
    model.domain = kept(live)
    model.inactive_domain = kept(persistent) if persistent is not None else None
    model.cookie = []
    settle_memory(model, active=active, disk_only=wish.disk_only)
    if wish.disk_only and active:
        model.state = DISK_ONLY
    default = wish.default
    if model.memory.snapshot == "external" or (wish.disk_only and default == "internal"):
        default = "external"
    align_disks(model, live, default, uniform=model.memory.snapshot == "internal")
    name_overlays(model, live)


def kept(model: Domain) -> Domain:
    """A document that can be kept: it does not run."""
    copy = model.copy()
    copy.id = None
    # Whom QEMU runs as is decided at each start.
    copy.seclabels = [one for one in copy.seclabels if (one.model, one.type) != ("dac", "dynamic")]
    return copy


def find_disk(domain: Domain, name: str) -> Disk | None:
    """The disk of that target or that image."""
    for disk in domain.devices.disks:
        if name in (disk.target.dev, disk.source.file, disk.source.dev):
            return disk
    return None


def align_disks(model: Snapshot, domain: Domain, default: str, *, uniform: bool) -> None:
    """One entry for each disk of the domain, in the domain's order.

    Args:
        uniform: All of them go where the memory goes.

    Raises:
        ConfigUnsupported: A disk is named twice, is none, or goes elsewhere than it must.
        InternalError: One has no name.
    """
    given = _given(model, domain)
    entries = []
    for disk in domain.devices.disks:
        target = disk.target.dev or ""
        entry = given.get(target) or SnapshotDisk(name=target)
        entry.name = target
        named = target in given
        empty = not _has_image(disk)
        if empty and entry.snapshot in ("internal", "external"):
            raise ConfigUnsupported(
                f"disk '{target}' has no source to be snapshotted", domain=_DOMAIN
            )
        if entry.snapshot is None:
            entry.snapshot = _place(disk, default, named=named)
        if uniform and entry.snapshot not in ("no", default):
            raise ConfigUnsupported(
                f"disk '{target}' must use snapshot mode '{default}'", domain=_DOMAIN
            )
        entries.append(_settled(entry, target))
    model.disks = SnapshotDisks(disks=entries)


def _settled(entry: SnapshotDisk, target: str) -> SnapshotDisk:
    has_source = bool(entry.source.file or entry.source.dev or entry.source.protocol)
    if entry.snapshot != "external" and has_source:
        raise XmlError(
            f"file '{entry.source.file or entry.source.dev}' for disk '{target}' requires use of "
            "external snapshot mode",
            domain=_DOMAIN,
        )
    if entry.snapshot != "external":
        return SnapshotDisk(name=target, snapshot=entry.snapshot)
    entry.type = entry.type or "file"
    return entry


def _has_image(disk: Disk) -> bool:
    source = disk.source
    return bool(
        source.file or source.dev or source.dir or source.protocol or source.volume
    ) or disk.type in ("nvme", "vhostuser", "vhostvdpa")


def _place(disk: Disk, default: str, *, named: bool) -> str:
    """Where a disk goes that the document leaves open."""
    if not _has_image(disk):
        return "no"
    if disk.snapshot is not None and not (named and disk.snapshot == "no"):
        return disk.snapshot
    return default if not disk.readonly or named else "no"


def _given(model: Snapshot, domain: Domain) -> dict[str, SnapshotDisk]:
    given: dict[str, SnapshotDisk] = {}
    for entry in model.disks.disks:
        if not entry.name:
            raise XmlError("missing name from disk snapshot element", domain=_DOMAIN)
        if entry.source.file is not None and entry.snapshot is None:
            entry.snapshot = "external"
        if entry.source.dev is not None and entry.snapshot is None:
            entry.snapshot = "external"
        disk = find_disk(domain, entry.name)
        if disk is None:
            raise ConfigUnsupported(f"no disk named '{entry.name}'", domain=_DOMAIN)
        target = disk.target.dev or ""
        if target in given:
            raise ConfigUnsupported(f"disk '{target}' specified twice", domain=_DOMAIN)
        given[target] = entry
    return given


def name_overlays(model: Snapshot, domain: Domain) -> None:
    """Gives overlays without a place the one beside their image, with the snapshot's name.

    Raises:
        ConfigUnsupported: There is no image to be beside of, two would be in one place, or the
            format cannot have anything behind it.
    """
    taken: set[str] = set()
    for entry in model.disks.disks:
        if entry.snapshot != "external":
            continue
        disk = find_disk(domain, entry.name or "")
        assert disk is not None, "entries are those of disks"
        entry.driver.type = entry.driver.type or "qcow2"
        if entry.driver.type not in OVERLAYS:
            raise ConfigUnsupported(
                f"external snapshot format for disk {entry.name} is unsupported: "
                f"{entry.driver.type}",
                domain=ErrorDomain.QEMU,
            )
        if entry.type == "file" and not entry.source.file:
            entry.source = DiskSource(file=_generated(disk, entry.name or "", model.name or ""))
        path = entry.source.file or entry.source.dev or ""
        if path in taken:
            raise ConfigUnsupported(
                f"the snapshots of two disks would be in '{path}'", domain=_DOMAIN
            )
        taken.add(path)


def _generated(disk: Disk, target: str, name: str) -> str:
    path = disk.source.file
    if disk.type not in (None, "file") or not path:
        raise ConfigUnsupported(
            f"cannot generate external snapshot name for disk '{target}' on a '{disk.type}' device",
            domain=_DOMAIN,
            remedy="say where it is to be",
        )
    directory, base = os.path.split(path)
    stem, dot, _ = base.rpartition(".")
    made = os.path.join(directory, f"{stem if dot else base}.{name}")
    if made == path:
        raise ConfigUnsupported(
            f"the name of the snapshot of disk '{target}' would be that of its image",
            domain=_DOMAIN,
            remedy="say where it is to be",
        )
    return made


def check_new_name(moments: Moments[Snapshot], model: Snapshot) -> None:
    """Refuses a name that there is already.

    Raises:
        OperationFailed: There is.
    """
    if moments.get(model.name) is not None:
        raise OperationFailed(
            f"domain moment {model.name} already exists", domain=ErrorDomain.DOMAIN
        )


def check_redefinition(
    moments: Moments[Snapshot], uuid: str, model: Snapshot, default: str
) -> None:
    """Refuses a snapshot that cannot have been one of this domain; completes its document.

    Raises:
        XmlError: It does not say when it was, or in what state.
        InvalidArg: It is another domain's, contradicts the one that is there, or what is before it
            is not known.
        ConfigUnsupported: It was in no state that there is.
        InternalError: It has no document of the domain.
    """
    if model.creation_time is None:
        raise XmlError("missing creationTime from existing snapshot", domain=_DOMAIN)
    if model.state is None:
        raise XmlError("missing state from existing snapshot", domain=_DOMAIN)
    if model.state not in (*_STATES.values(), DISK_ONLY):
        raise ConfigUnsupported(
            f"invalid state '{model.state}' in domain snapshot XML", domain=_DOMAIN
        )
    if model.domain is None:
        raise InternalError("missing domain in snapshot", domain=_DOMAIN)
    _check_place(moments, model)
    if model.domain.uuid != uuid:
        raise InvalidArg(
            f"definition for snapshot {model.name} must use uuid {uuid}", domain=_DOMAIN
        )
    if model.memory.snapshot is None:
        model.memory.snapshot = "internal" if model.state in RUNS else "no"
    align_disks(model, model.domain, default, uniform=False)
    _check_same(moments.get(model.name), model)


def _check_place(moments: Moments[Snapshot], model: Snapshot) -> None:
    """Refuses a parent that is not there, or would make a circle."""
    parent = parent_of(model)
    if parent is None:
        model.parent = None
        return
    wrong = InvalidArg(
        f"parent {parent} would create cycle to {model.name}", domain=ErrorDomain.DOMAIN
    )
    if parent == model.name:
        raise wrong
    above = moments.get(parent)
    if above is None:
        raise InvalidArg(
            f"parent {parent} for moment {model.name} not found", domain=ErrorDomain.DOMAIN
        )
    while above is not None:
        if above.name == model.name:
            raise wrong
        above = moments.get(parent_of(above))


def _check_same(former: Snapshot | None, model: Snapshot) -> None:
    """Refuses to make of a snapshot one of another kind."""
    if former is None:
        return
    for kind, what in ((RUNS, "online"), ((DISK_ONLY,), "disk-only")):
        if (former.state in kind) != (model.state in kind):
            raise InvalidArg(
                f"cannot change between {what} and other snapshot state in snapshot {model.name}",
                domain=_DOMAIN,
            )


def has_internal(model: Snapshot) -> bool:
    """Whether anything of it is within the images."""
    return model.memory.snapshot == "internal" or any(
        disk.snapshot == "internal" for disk in model.disks.disks
    )


def is_mixed(model: Snapshot) -> bool:
    """Whether it is partly within the images and partly outside."""
    return is_external(model) and has_internal(model)
