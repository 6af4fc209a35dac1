# SPDX-License-Identifier: Apache-2.0
"""From a client's document to a snapshot of a domain."""

from __future__ import annotations

import time

from virloom.drivers.test.completion import complete
from virloom.drivers.test.disks import find_disk
from virloom.drivers.test.domain import Guest
from virloom.enums.domain import DomainState
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, InvalidArg
from virloom.model.domain import Domain
from virloom.model.snapshot import Snapshot, SnapshotDisk, SnapshotDisks, SnapshotMemory
from virloom.xml import parse_document

_DOMAIN = ErrorDomain.DOMAIN_SNAPSHOT
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
RUNS = ("running", "paused")


def parse_snapshot(text: str, *, validate: bool) -> Snapshot:
    """The tree of a client's document, with a name."""
    model = parse_document(Snapshot, text, validate=validate)
    if not model.name:
        model.name = str(model.creation_time or int(time.time()))
    return model


def new_snapshot(guest: Guest, model: Snapshot) -> Snapshot:
    """Completes a snapshot of a domain as it is now.

    Raises:
        ConfigUnsupported: Something of it would be kept outside, or a disk is none.
        InternalError: A disk has no name.
    """
    model.state = _STATES[guest.state]
    model.creation_time = int(time.time())
    model.domain = copy_of(guest.model)
    model.inactive_domain = None
    if model.memory.snapshot == "external":
        raise ConfigUnsupported("memory cannot be kept in a file of its own", domain=_DOMAIN)
    model.memory = SnapshotMemory(snapshot="internal" if guest.active else "no")
    align_disks(model, guest.model)
    return model


def copy_of(model: Domain) -> Domain:
    """A document that can be kept: it does not run."""
    copy = model.copy()
    copy.id = None
    return copy


def align_disks(model: Snapshot, domain: Domain) -> None:
    """One entry for each disk of the domain, all of them within the disks themselves."""
    given: dict[str, SnapshotDisk] = {}
    for disk in model.disks.disks:
        if not disk.name:
            raise InternalError("missing name from disk snapshot element", domain=_DOMAIN)
        found = find_disk(domain, disk.name)
        if found is None:
            raise ConfigUnsupported(f"no disk named '{disk.name}'", domain=_DOMAIN)
        name = found.target.dev or ""
        if name in given:
            raise ConfigUnsupported(f"disk '{name}' specified twice", domain=_DOMAIN)
        if disk.snapshot not in (None, "internal"):
            raise ConfigUnsupported(
                f"disk '{name}' must use snapshot mode 'internal'", domain=_DOMAIN
            )
        given[name] = SnapshotDisk(name=name, snapshot="internal")
    names = [disk.target.dev or "" for disk in domain.devices.disks]
    model.disks = SnapshotDisks(
        disks=[given.get(name) or SnapshotDisk(name=name, snapshot="internal") for name in names]
    )


def check_redefinition(guest: Guest, model: Snapshot) -> None:
    """Refuses a snapshot that cannot have been one of this domain; completes its document.

    Raises:
        InternalError: It does not say when it was, or in what state.
        InvalidArg: It is another domain's, or the snapshot before it is not known.
    """
    if model.creation_time is None:
        raise InternalError("missing creationTime from existing snapshot", domain=_DOMAIN)
    if model.state is None:
        raise InternalError("missing state from existing snapshot", domain=_DOMAIN)
    if model.domain is not None:
        complete(model.domain)
        if model.domain.uuid != guest.uuid_text:
            raise InvalidArg(
                f"definition for snapshot {model.name} must use uuid {guest.uuid_text}",
                domain=_DOMAIN,
            )
        align_disks(model, model.domain)
    parent = model.parent.name if model.parent is not None else None
    if parent is not None and (parent == model.name or guest.snapshots.get(parent) is None):
        raise InvalidArg(f"parent {parent} for snapshot {model.name} not found", domain=_DOMAIN)
