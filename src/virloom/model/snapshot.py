# SPDX-License-Identifier: Apache-2.0
"""``<domainsnapshot>``, ``<domaincheckpoint>`` and ``<domainbackup>``: a guest at a moment."""

from __future__ import annotations

from functools import cache

from virloom.enums.error import ErrorDomain
from virloom.model.domain import DiskDriver, DiskSource, Domain, SourceSeclabel
from virloom.model.domain.devices.storage import Encryption
from virloom.model.schema import PathSchema
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, group, leaf, verbatim
from virloom.xml.kinds import INT, STRING, UINT, ULONG, YES_NO, choice
from virloom.xml.node import Node


class _Moments(PathSchema):
    """A schema in which a whole domain stands as well, with the paths of its own."""

    __slots__ = ()

    def _entry(self, path: str) -> str | None:
        _, inside, below = path.partition("/domain/")
        return _domain()._entry(f"domain/{below}") if inside else super()._entry(path)

    def elements(self, path: str) -> list[str]:
        """The elements right below, also in the guest's document."""
        _, inside, below = f"{path}/".partition("/domain/")
        known = f"domain/{below}".rstrip("/")
        return _domain().elements(known) if inside else super().elements(path)


@cache
def _domain() -> PathSchema:
    return PathSchema("domain")


@cache
def _moments(root: str) -> PathSchema:
    return _Moments(root)


class Parent(Element):
    """``<parent>``: the moment before."""

    name: str | None = leaf(STRING)


class SnapshotMemory(Element):
    """``<memory snapshot='external' file='…'/>``."""

    snapshot: str | None = attribute(choice("no", "internal", "external"))
    file: str | None = attribute(STRING)


class SnapshotDisk(Element):
    """``<disk name='vda' snapshot='external' type='file'>``."""

    name: str | None = attribute(STRING)
    snapshot: str | None = attribute(choice("no", "internal", "external", "manual"))
    type: str | None = attribute(choice("file", "block", "network"))
    driver: DiskDriver = group(DiskDriver)
    source: DiskSource = group(DiskSource)


class SnapshotDisks(Element):
    """``<disks>``."""

    disks: list[SnapshotDisk] = children(SnapshotDisk, "disk")


class Snapshot(Element):
    """``<domainsnapshot>``; with the guest's document of that moment."""

    tag = "domainsnapshot"
    schema_path = "domainsnapshot"
    error_domain = ErrorDomain.DOMAIN_SNAPSHOT

    name: str | None = leaf(STRING)
    description: str | None = leaf(STRING)
    state: str | None = leaf(STRING)
    parent: Parent | None = child(Parent)
    creation_time: int | None = leaf(ULONG, "creationTime")
    memory: SnapshotMemory = group(SnapshotMemory)
    disks: SnapshotDisks = group(SnapshotDisks)
    domain: Domain | None = child(Domain)
    inactive_domain: Domain | None = child(Domain, "inactiveDomain")
    cookie: list[Node] = verbatim("cookie")
    active: int | None = leaf(INT)

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of snapshots."""
        return _moments("domainsnapshot")


class CheckpointDisk(Element):
    """``<disk name='vda' checkpoint='bitmap' bitmap='b'/>``; the size is what changed since."""

    name: str | None = attribute(STRING)
    checkpoint: str | None = attribute(choice("no", "bitmap"))
    bitmap: str | None = attribute(STRING)
    size: int | None = attribute(ULONG)


class CheckpointDisks(Element):
    """``<disks>``."""

    disks: list[CheckpointDisk] = children(CheckpointDisk, "disk")


class Checkpoint(Element):
    """``<domaincheckpoint>``: since when changes of disks are known."""

    tag = "domaincheckpoint"
    schema_path = "domaincheckpoint"
    error_domain = ErrorDomain.DOMAIN_CHECKPOINT

    name: str | None = leaf(STRING)
    description: str | None = leaf(STRING)
    parent: Parent | None = child(Parent)
    creation_time: int | None = leaf(ULONG, "creationTime")
    disks: CheckpointDisks = group(CheckpointDisks)
    domain: Domain | None = child(Domain)

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of checkpoints."""
        return _moments("domaincheckpoint")


class BackupServer(Element):
    """``<server transport='tcp' name='localhost' port='10809'/>``: where a pull finds NBD."""

    transport: str | None = attribute(choice("tcp", "unix"))
    tls: bool | None = attribute(YES_NO)
    name: str | None = attribute(STRING)
    port: str | None = attribute(STRING)
    socket: str | None = attribute(STRING)


class BackupFormat(Element):
    """``<driver type='qcow2'/>``."""

    type: str | None = attribute(STRING)


class BackupImage(Element):
    """``<target file='…'/>`` or ``<scratch dev='…'/>``."""

    file: str | None = attribute(STRING)
    dev: str | None = attribute(STRING)
    seclabels: list[SourceSeclabel] = children(SourceSeclabel, "seclabel")
    encryption: Encryption | None = child(Encryption)


class BackupDisk(Element):
    """``<disk name='vda' backup='yes' type='file'>``; the number is that of the image in QEMU."""

    name: str | None = attribute(STRING)
    backup: bool | None = attribute(YES_NO)
    type: str | None = attribute(choice("file", "block"))
    backup_mode: str | None = attribute(choice("full", "incremental"), "backupmode")
    incremental: str | None = attribute(STRING)
    export_name: str | None = attribute(STRING, "exportname")
    export_bitmap: str | None = attribute(STRING, "exportbitmap")
    index: int | None = attribute(UINT, live=True)
    driver: BackupFormat = group(BackupFormat)
    target: BackupImage | None = child(BackupImage)
    scratch: BackupImage | None = child(BackupImage)


class BackupDisks(Element):
    """``<disks>``."""

    disks: list[BackupDisk] = children(BackupDisk, "disk")


class Backup(Element):
    """``<domainbackup mode='pull'>``."""

    tag = "domainbackup"
    schema_path = "domainbackup"
    error_domain = ErrorDomain.DOMAIN

    mode: str | None = attribute(choice("push", "pull"))
    incremental: str | None = leaf(STRING)
    server: BackupServer | None = child(BackupServer)
    disks: BackupDisks = group(BackupDisks)

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of backups."""
        return _moments("domainbackup")
