# SPDX-License-Identifier: Apache-2.0
"""What a client's document wants to be backed up, and whereto; all of it is completed here.

The rules of the schema that concern several names at once (libvirt holds every such document
against its schema) are :func:`parse_backup`'s, those that need the domain are :func:`complete`'s.
"""

from __future__ import annotations

import re

from virloom.drivers.runtime.checkpoints import (
    TARGET,
    against_schema,
    disk_named,
    is_empty,
    not_in_schema,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, InvalidArg, OperationUnsupported
from virloom.model.domain import Disk, Domain
from virloom.model.domain.devices.disk import FORMATS
from virloom.model.snapshot import Backup, BackupDisk, BackupDisks, BackupImage, BackupServer

_HOST = re.compile(r"[a-zA-Z0-9._:-]+")


def parse_backup(text: str) -> Backup:
    """The tree of a client's document.

    Raises:
        XmlInvalidSchema: The schema does not have it.
        InvalidArg: The server's port is none.
        OperationUnsupported: It is to be chosen here.
    """
    model = against_schema(Backup, text)
    pull = model.mode == "pull"
    if (model.server is not None) is not pull:
        raise not_in_schema("a server is where a backup is pulled from, and only that has one")
    for disk in model.disks.disks:
        if not TARGET.fullmatch(disk.name or "") or disk.index is not None:
            raise not_in_schema(f"'{disk.name}' is no disk's target")
        _check_mode(disk)
        if disk.backup is False:
            _refuse(disk, "type", "target", "scratch")
        else:
            (_check_pull if pull else _check_push)(disk)
        if not pull:
            _refuse(disk, "export_name", "export_bitmap")
    if model.server is not None:
        _check_server(model.server)
    return model


def _refuse(disk: BackupDisk, *names: str) -> None:
    """The schema does not have these of such a disk."""
    for name in names:
        if getattr(disk, name) is not None:
            raise not_in_schema(f"disk '{disk.name}' cannot have '{name.replace('_', '')}' here")


def _check_mode(disk: BackupDisk) -> None:
    if disk.backup_mode == "full":
        _refuse(disk, "incremental")


def _check_push(disk: BackupDisk) -> None:
    _refuse(disk, "scratch")
    if disk.type is None:
        raise not_in_schema(f"disk '{disk.name}' needs a type")
    if disk.driver.type is not None and disk.driver.type not in FORMATS:
        raise not_in_schema(f"'{disk.driver.type}' is no format of images")
    if disk.target is not None:
        _check_image(disk, disk.target)


def _check_pull(disk: BackupDisk) -> None:
    _refuse(disk, "target")
    if disk.scratch is None and (disk.type == "block" or disk.driver.type is not None):
        raise not_in_schema(f"disk '{disk.name}' needs a scratch image")
    if disk.driver.type not in (None, "qcow2"):
        raise not_in_schema(f"a scratch image cannot be '{disk.driver.type}'")
    if disk.scratch is not None:
        _check_image(disk, disk.scratch)


def _check_image(disk: BackupDisk, image: BackupImage) -> None:
    used, other = ("dev", "file") if disk.type == "block" else ("file", "dev")
    if not str(getattr(image, used) or "").startswith("/") or getattr(image, other) is not None:
        raise not_in_schema(f"disk '{disk.name}' needs '{used}', an absolute path")


def _check_server(server: BackupServer) -> None:
    if server.transport == "unix":
        if not (server.socket or "").startswith("/") or server.name or server.port:
            raise not_in_schema("a UNIX socket is an absolute path and nothing else")
        return
    if server.socket is not None or not _HOST.fullmatch(server.name or ""):
        raise not_in_schema("the server needs the name of a host")
    if server.port is None:
        raise OperationUnsupported(
            "<domainbackup> must specify TCP port for now", domain=ErrorDomain.QEMU
        )
    if not re.fullmatch(r"\+?[0-9]+", server.port):
        raise not_in_schema(f"'{server.port}' is no port")
    if not 0 < int(server.port) <= 65535:
        raise InvalidArg(f"port '{server.port}' out of range")


# -- what the domain adds ----------------------------------------------------------------------


def complete(model: Backup, domain: Domain, suffix: str) -> None:
    """Fills in all that the document leaves open.

    Args:
        suffix: Of the names of images that nobody named.

    Raises:
        ConfigUnsupported: A disk is none, has no medium, or has no name to make another one of.
    """
    model.mode = model.mode or "push"
    if model.server is not None:
        model.server.transport = model.server.transport or "tcp"
    given: dict[str, BackupDisk] = {}
    for disk in model.disks.disks:
        name = disk.name or ""
        found = disk_named(domain, name)
        if name in given:
            raise _wrong(f"backup of disk '{name}' specified twice")
        if found is None:
            raise _wrong(f"no disk named '{name}'")
        if disk.backup is not False and is_empty(found):
            raise _wrong(f"disk '{name}' has no media")
        given[name] = disk
    disks = list(given.values())
    for found in domain.devices.disks:
        name = found.target.dev or ""
        if name not in given:
            wanted = not given and not is_empty(found) and not found.readonly
            disks.append(BackupDisk(name=name, backup=wanted))
    for disk in disks:
        disk.backup = disk.backup is not False
        if disk.backup:
            _complete_disk(model, disk, disk_named(domain, disk.name), suffix)
    if not any(disk.backup for disk in disks):
        raise ConfigUnsupported("no disks selected for backup", domain=ErrorDomain.QEMU)
    model.disks = BackupDisks(disks=disks)


def _complete_disk(model: Backup, disk: BackupDisk, found: Disk | None, suffix: str) -> None:
    disk.type = disk.type or "file"
    disk.driver.type = disk.driver.type or "qcow2"
    _complete_mode(model, disk)
    if model.mode == "pull":
        disk.export_name = disk.export_name or disk.name
        if disk.incremental:
            disk.export_bitmap = disk.export_bitmap or f"backup-{disk.name}"
        disk.scratch = disk.scratch or _generated(disk, found, suffix)
    else:
        disk.target = disk.target or _generated(disk, found, suffix)


def _complete_mode(model: Backup, disk: BackupDisk) -> None:
    if disk.backup_mode != "full":
        disk.incremental = disk.incremental or model.incremental
    if disk.backup_mode == "incremental" and not disk.incremental:
        raise _wrong(
            f"'incremental' backup mode of disk '{disk.name}' requires setting 'incremental' "
            "field for disk or backup"
        )
    disk.backup_mode = "incremental" if disk.incremental else "full"


def _generated(disk: BackupDisk, found: Disk | None, suffix: str) -> BackupImage:
    path = found.source.file if found is not None else None
    if disk.type != "file" or path is None:
        raise _wrong(f"refusing to generate file name for disk '{disk.name}'")
    return BackupImage(file=f"{path}.{suffix}")


def _wrong(text: str) -> ConfigUnsupported:
    return ConfigUnsupported(text, domain=ErrorDomain.DOMAIN)


def check_exports(model: Backup) -> None:
    """Refuses two disks under one name.

    Raises:
        InternalError: libvirt's code for it.
    """
    names = [disk.export_name for disk in model.disks.disks if disk.backup]
    for name in names:
        if name is not None and names.count(name) > 1:
            raise InternalError(f"two disks have the export name '{name}'", domain=ErrorDomain.QEMU)
