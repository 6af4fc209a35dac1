# SPDX-License-Identifier: Apache-2.0
"""Domains are saved and restored; real files hold what they are."""

from __future__ import annotations

import asyncio

from virloom.drivers.runtime.arguments import senseless
from virloom.drivers.test.arguments import check_flags, require_active
from virloom.drivers.test.completion import parse_domain
from virloom.drivers.test.domain import Guest
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.handlers.documents import format_flags
from virloom.drivers.test.lifecycle import admit, end, start
from virloom.drivers.test.names import name_interfaces
from virloom.drivers.test.saved_state import read_state, write_core, write_state
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import (
    DomainCoreDumpFlags,
    DomainCoreDumpFormat,
    DomainEventStartedDetailType,
    DomainEventStoppedDetailType,
    DomainEventType,
    DomainRunningReason,
    DomainSaveRestoreFlags,
    DomainShutoffReason,
    DomainXMLFlags,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import ArgumentUnsupported, OperationInvalid, OperationUnsupported
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain
from virloom.xml import format_document

_Save = DomainSaveRestoreFlags
_Dump = DomainCoreDumpFlags


def _check_state(flags: int) -> None:
    """A domain is restored running or paused.

    Raises:
        InvalidArg: It is to be both.
    """
    both = _Save.RUNNING | _Save.PAUSED
    if flags & both == both:
        raise senseless(
            "Flags 'VIR_DOMAIN_SAVE_RUNNING' and 'VIR_DOMAIN_SAVE_PAUSED' are mutually exclusive"
        )


class Saving:
    """Handlers of saved states."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    # -- files ---------------------------------------------------------------------------------

    @serves(p.DOMAIN_SAVE)
    async def save(self, call: Call, args: p.DomainSaveArgs) -> None:
        await self._save(args.dom, args.to)

    @serves(p.DOMAIN_SAVE_FLAGS)
    async def save_flags(self, call: Call, args: p.DomainSaveFlagsArgs) -> None:
        _check_state(args.flags)
        check_flags(call, args.flags)
        _refuse_document(args.dxml)
        await self._save(args.dom, args.to)

    async def _save(self, ref: NonnullDomain, path: str) -> None:
        guest = self._driver.find(ref)
        model = require_active(guest)
        await asyncio.to_thread(write_state, path, format_document(model, format_flags(1)))
        if guest.live is model:
            self._saved(guest)

    def _saved(self, guest: Guest) -> None:
        reason, detail = DomainShutoffReason.SAVED, DomainEventStoppedDetailType.SAVED
        end(self._driver, guest, reason, detail)

    @serves(p.DOMAIN_RESTORE)
    async def restore(self, call: Call, args: p.DomainRestoreArgs) -> None:
        await self._restore(args.from_)

    @serves(p.DOMAIN_RESTORE_FLAGS)
    async def restore_flags(self, call: Call, args: p.DomainRestoreFlagsArgs) -> None:
        _check_state(args.flags)
        check_flags(call, args.flags)
        _refuse_document(args.dxml)
        await self._restore(args.from_)

    async def _restore(self, path: str) -> None:
        model = parse_domain(await asyncio.to_thread(read_state, path))
        name_interfaces(model)
        guest = admit(self._driver, model, to_run=True)
        start(self._driver, guest, model, DomainRunningReason.RESTORED)
        detail = DomainEventStartedDetailType.RESTORED
        self._driver.tell(guest.ref(), DomainEventType.STARTED, detail)

    @serves(p.DOMAIN_SAVE_IMAGE_GET_XML_DESC)
    async def image_document(
        self, call: Call, args: p.DomainSaveImageGetXMLDescArgs
    ) -> p.DomainSaveImageGetXMLDescRet:
        check_flags(call, args.flags, DomainXMLFlags.SECURE)
        model = parse_domain(await asyncio.to_thread(read_state, args.file))
        return p.DomainSaveImageGetXMLDescRet(format_document(model, format_flags(args.flags)))

    @serves(p.DOMAIN_SAVE_IMAGE_DEFINE_XML)
    async def define_image(self, call: Call, args: p.DomainSaveImageDefineXMLArgs) -> None:
        _check_state(args.flags)
        check_flags(call, args.flags, _Save.RUNNING | _Save.PAUSED)
        await asyncio.to_thread(read_state, args.file)
        model = parse_domain(args.dxml)
        text = format_document(model, format_flags(1))
        await asyncio.to_thread(write_state, args.file, text)

    # -- states that the driver keeps ----------------------------------------------------------

    @serves(p.DOMAIN_MANAGED_SAVE)
    def managed_save(self, call: Call, args: p.DomainManagedSaveArgs) -> None:
        _check_state(args.flags)
        check_flags(call, args.flags, _Save.BYPASS_CACHE | _Save.RUNNING | _Save.PAUSED)
        guest = self._driver.find(args.dom)
        require_active(guest)
        if not guest.persistent:
            raise OperationInvalid(
                "cannot do managed save for transient domain", domain=ErrorDomain.TEST
            )
        self._saved(guest)
        guest.saved = True

    @serves(p.DOMAIN_HAS_MANAGED_SAVE_IMAGE)
    def has_managed_save(
        self, call: Call, args: p.DomainHasManagedSaveImageArgs
    ) -> p.DomainHasManagedSaveImageRet:
        check_flags(call, args.flags)
        return p.DomainHasManagedSaveImageRet(int(self._driver.find(args.dom).saved))

    @serves(p.DOMAIN_MANAGED_SAVE_REMOVE)
    def remove_managed_save(self, call: Call, args: p.DomainManagedSaveRemoveArgs) -> None:
        check_flags(call, args.flags)
        self._driver.find(args.dom).saved = False

    # -- memory --------------------------------------------------------------------------------

    @serves(p.DOMAIN_CORE_DUMP)
    async def core_dump(self, call: Call, args: p.DomainCoreDumpArgs) -> None:
        await self._dump(call, args.dom, args.to, DomainCoreDumpFormat.RAW, args.flags)

    @serves(p.DOMAIN_CORE_DUMP_WITH_FORMAT)
    async def core_dump_with_format(self, call: Call, args: p.DomainCoreDumpWithFormatArgs) -> None:
        await self._dump(call, args.dom, args.to, args.dumpformat, args.flags)

    async def _dump(self, call: Call, ref: NonnullDomain, path: str, kind: int, flags: int) -> None:
        if kind not in tuple(DomainCoreDumpFormat):
            raise senseless(f"dumpformat '{kind}' is not supported")
        for other in (_Dump.LIVE, _Dump.RESET):
            if flags & _Dump.CRASH and flags & other:
                raise senseless(
                    f"Flags 'VIR_DUMP_CRASH' and 'VIR_DUMP_{other.name}' are mutually exclusive"
                )
        check_flags(call, flags, _Dump.CRASH, function="testDomainCoreDumpWithFormat")
        guest = self._driver.find(ref)
        model = require_active(guest)
        await asyncio.to_thread(write_core, path)
        if kind != DomainCoreDumpFormat.RAW:
            raise OperationUnsupported(
                "kdump-compressed format is not supported here", domain=ErrorDomain.TEST
            )
        if flags & _Dump.CRASH and guest.live is model:
            reason, detail = DomainShutoffReason.CRASHED, DomainEventStoppedDetailType.CRASHED
            end(self._driver, guest, reason, detail)


def _refuse_document(document: str | None) -> None:
    if document is not None:
        raise ArgumentUnsupported("xml modification unsupported", domain=ErrorDomain.TEST)
