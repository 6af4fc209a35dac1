# SPDX-License-Identifier: Apache-2.0
"""From a client's document to a checkpoint of a domain."""

from __future__ import annotations

import re
import time

from virloom.drivers.test.completion import complete
from virloom.drivers.test.disks import find_disk
from virloom.drivers.test.domain import Guest
from virloom.drivers.test.snapshots import copy_of
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, InvalidArg, XmlError, XmlInvalidSchema
from virloom.model.domain import Domain
from virloom.model.snapshot import Checkpoint, CheckpointDisk, CheckpointDisks
from virloom.xml import parse_document

_DOMAIN = ErrorDomain.DOMAIN_CHECKPOINT
#: What the schema takes for a disk: a target, or a path.
_DISK = re.compile(r"(ioemu:)?(fd|hd|sd|vd|xvd|ubd)[a-zA-Z0-9_]+|/.+")


def parse_checkpoint(text: str) -> Checkpoint:
    """The tree of a client's document, with a name; it is always held against the schema.

    Raises:
        XmlInvalidSchema: The schema does not have it.
    """
    try:
        model = parse_document(Checkpoint, text, validate=True)
    except XmlError as exc:
        if "domaincheckpoint/" in exc.message:  # a value that the schema does not have
            raise XmlInvalidSchema(exc.message, domain=ErrorDomain.XML) from exc
        raise
    if model.name is not None and (not model.name or "/" in model.name):
        raise XmlInvalidSchema(f"'{model.name}' is no name", domain=ErrorDomain.XML)
    for disk in model.disks.disks:
        if disk.name is None or not _DISK.fullmatch(disk.name):
            raise XmlInvalidSchema(f"'{disk.name}' is no disk's name", domain=ErrorDomain.XML)
    if model.name is None:
        model.name = str(model.creation_time or int(time.time()))
    return model


def new_checkpoint(guest: Guest, model: Checkpoint) -> Checkpoint:
    """Completes a checkpoint of a domain as it is now."""
    model.creation_time = int(time.time())
    model.domain = copy_of(guest.model)
    align_disks(model, guest.model)
    return model


def align_disks(model: Checkpoint, domain: Domain) -> None:
    """One entry for each disk of the domain; where any is named, the others are left out.

    Raises:
        ConfigUnsupported: A disk is named twice, or is none.
    """
    given: dict[str, CheckpointDisk] = {}
    for disk in model.disks.disks:
        found = find_disk(domain, disk.name or "")
        if found is None:
            raise ConfigUnsupported(f"no disk named '{disk.name}'", domain=_DOMAIN)
        name = found.target.dev or ""
        if name in given:
            raise ConfigUnsupported(f"disk '{name}' specified twice", domain=_DOMAIN)
        given[name] = disk
    model.disks = CheckpointDisks(
        disks=[
            _entry(disk.target.dev or "", model, given.get(disk.target.dev or ""), bool(given))
            for disk in domain.devices.disks
        ]
    )


def _entry(
    name: str, model: Checkpoint, given: CheckpointDisk | None, chosen: bool
) -> CheckpointDisk:
    if (given is None and chosen) or (given is not None and given.checkpoint == "no"):
        return CheckpointDisk(name=name, checkpoint="no")
    bitmap = given.bitmap if given is not None else None
    return CheckpointDisk(name=name, checkpoint="bitmap", bitmap=bitmap or model.name)


def check_redefinition(guest: Guest, model: Checkpoint) -> None:
    """Refuses a checkpoint that cannot have been one of this domain; completes its document.

    Raises:
        InternalError: It does not say when it was.
        InvalidArg: It is another domain's, or the checkpoint before it is not known.
    """
    if model.creation_time is None:
        raise InternalError("missing creationTime from existing checkpoint", domain=_DOMAIN)
    if model.domain is None:
        raise InternalError("missing domain in checkpoint redefine", domain=_DOMAIN)
    complete(model.domain)
    if model.domain.uuid != guest.uuid_text:
        raise InvalidArg(
            f"definition for checkpoint {model.name} must use uuid {guest.uuid_text}",
            domain=_DOMAIN,
        )
    parent = model.parent.name if model.parent is not None else None
    if parent is not None and guest.checkpoints.get(parent) is None:
        raise InvalidArg(f"parent {parent} for moment {model.name} not found", domain=_DOMAIN)
    align_disks(model, model.domain)
