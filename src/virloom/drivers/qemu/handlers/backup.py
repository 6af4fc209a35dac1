# SPDX-License-Identifier: Apache-2.0
"""Backups of domains."""

from __future__ import annotations

from virloom.drivers.qemu.backup.begin import begin
from virloom.drivers.qemu.backup.request import parse_backup
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.drivers.runtime.checkpoints import parse_checkpoint
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainBackupBeginFlags
from virloom.enums.error import ErrorDomain
from virloom.errors import NoDomainBackup
from virloom.procedures import domain as p
from virloom.xml import FormatFlags, format_document


class Backups:
    """Handlers of backups."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_BACKUP_BEGIN)
    async def begin(self, call: Call, args: p.DomainBackupBeginArgs) -> None:
        flags = DomainBackupBeginFlags
        check_flags(call, args.flags, flags.REUSE_EXTERNAL, function="qemuBackupBegin")
        guest = self._driver.find(args.dom)
        model = parse_backup(args.backup_xml)
        checkpoint = parse_checkpoint(args.checkpoint_xml) if args.checkpoint_xml else None
        reuse = bool(args.flags & flags.REUSE_EXTERNAL)
        owner = call.procedure.name
        await begin(self._driver, guest, model, checkpoint, reuse=reuse, owner=owner)

    @serves(p.DOMAIN_BACKUP_GET_XML_DESC)
    def get_xml_desc(
        self, call: Call, args: p.DomainBackupGetXMLDescArgs
    ) -> p.DomainBackupGetXMLDescRet:
        check_flags(call, args.flags, 0, function="qemuBackupGetXMLDesc")
        running = self._driver.find(args.dom).running
        backup = running.backup if running is not None else None
        if backup is None or backup.stage == "ending":
            raise NoDomainBackup("no domain backup job present", domain=ErrorDomain.QEMU)
        return p.DomainBackupGetXMLDescRet(format_document(backup.model, FormatFlags.SECURE))
