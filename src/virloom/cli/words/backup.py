# SPDX-License-Identifier: Apache-2.0
"""Backups of running domains."""

from __future__ import annotations

from virloom.cli.shell import lookup
from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.documents import print_document, read_document
from virloom.cli.shell.registry import command
from virloom.cli.shell.session import Session
from virloom.enums.domain import DomainBackupBeginFlags


@command("backup-begin")
async def begin(session: Session, arguments: Arguments) -> None:
    """Begin a backup of a domain's disks, by a document in a file where one is given."""
    domain = await lookup.domain(session, arguments)
    path, checkpoint_path = arguments.get("backupxml"), arguments.get("checkpointxml")
    document = "<domainbackup/>" if path is None else read_document(path)
    checkpoint = None if checkpoint_path is None else read_document(checkpoint_path)
    flags = arguments.flag("reuse-external", DomainBackupBeginFlags.REUSE_EXTERNAL)
    await domain.checkpoints.backup(document, checkpoint, flags)
    session.output.note("Backup started")


@command("backup-dumpxml")
async def dumpxml(session: Session, arguments: Arguments) -> None:
    """Print the document of the backup that is being made."""
    domain = await lookup.domain(session, arguments)
    print_document(session, arguments, await domain.checkpoints.backup_xml_desc())
