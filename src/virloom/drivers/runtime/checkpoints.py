# SPDX-License-Identifier: Apache-2.0
"""What a client's document says of a checkpoint, and which of a domain's disks it is about."""

from __future__ import annotations

import re
import time
from typing import TypeVar

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlError, XmlInvalidSchema
from virloom.model.domain import Disk, Domain
from virloom.model.snapshot import Backup, Checkpoint, CheckpointDisk, CheckpointDisks
from virloom.xml import parse_document

_DOMAIN = ErrorDomain.DOMAIN_CHECKPOINT
#: The schema's ``diskTargetDev``.
TARGET = re.compile(r"(ioemu:)?(fd|hd|sd|vd|xvd|ubd)[a-zA-Z0-9_]+")
#: The same for a checkpoint's name, which is a file's.
_NAME = re.compile(r"[^./\n][^/\n]*")

D = TypeVar("D", Checkpoint, Backup)


def against_schema(kind: type[D], text: str) -> D:
    """The tree of a document that is always held against the schema.

    Raises:
        XmlInvalidSchema: The schema does not have it.
    """
    try:
        return parse_document(kind, text, validate=True)
    except XmlError as exc:
        if f"{kind.tag}/" in exc.message:  # a value that the schema does not have
            raise not_in_schema(exc.message) from exc
        raise


def not_in_schema(why: str) -> XmlInvalidSchema:
    """The error of a document that the schema does not take."""
    return XmlInvalidSchema(why, domain=ErrorDomain.XML)


def check_disk_name(name: str | None) -> str:
    """The name by which a document means a disk.

    Raises:
        XmlInvalidSchema: Neither a target nor a path.
    """
    if name is None or not (TARGET.fullmatch(name) or re.fullmatch("/.+", name)):
        raise not_in_schema(f"'{name}' is no disk's name")
    return name


def parse_checkpoint(text: str) -> Checkpoint:
    """The tree of a client's document, with a name.

    Raises:
        XmlInvalidSchema: The schema does not have it.
    """
    model = against_schema(Checkpoint, text)
    if model.name is not None and not _NAME.fullmatch(model.name):
        raise not_in_schema(f"'{model.name}' is no name")
    for disk in model.disks.disks:
        check_disk_name(disk.name)
    if model.name is None:
        model.name = str(model.creation_time or int(time.time()))
    return model


def disk_named(model: Domain, name: str | None) -> Disk | None:
    """The disk with that target, or with that file or device."""
    if not name:
        return None
    for disk in model.devices.disks:
        source = disk.source.file or disk.source.dev
        if name == (source if name.startswith("/") else disk.target.dev):
            return disk
    return None


def is_empty(disk: Disk) -> bool:
    """Whether it is a drive without a medium."""
    source = disk.source
    return not (
        source.file or source.dev or source.dir or source.path or source.protocol or source.volume
    )


def align_disks(model: Checkpoint, domain: Domain) -> None:
    """One entry for each disk of the domain; where any is named, the others are left out.

    Raises:
        ConfigUnsupported: A disk is named twice, or is none.
    """
    given: dict[str, CheckpointDisk] = {}
    for disk in model.disks.disks:
        found = disk_named(domain, disk.name)
        if found is None:
            raise ConfigUnsupported(f"no disk named '{disk.name}'", domain=_DOMAIN)
        name = found.target.dev or ""
        if name in given:
            raise ConfigUnsupported(f"disk '{name}' specified twice", domain=_DOMAIN)
        if disk.checkpoint != "no" and (is_empty(found) or found.readonly):
            raise ConfigUnsupported(f"disk '{name}' is empty or readonly", domain=_DOMAIN)
        given[name] = disk
    model.disks = CheckpointDisks(
        disks=[_entry(disk, model, given) for disk in domain.devices.disks]
    )


def _entry(disk: Disk, model: Checkpoint, given: dict[str, CheckpointDisk]) -> CheckpointDisk:
    name = disk.target.dev or ""
    asked = given.get(name)
    if asked is None:
        left_out = bool(given) or is_empty(disk) or bool(disk.readonly)
    else:
        left_out = asked.checkpoint == "no"
    if left_out:
        return CheckpointDisk(name=name, checkpoint="no")
    bitmap = asked.bitmap if asked is not None else None
    return CheckpointDisk(name=name, checkpoint="bitmap", bitmap=bitmap or model.name)
