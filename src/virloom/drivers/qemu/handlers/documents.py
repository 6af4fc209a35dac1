# SPDX-License-Identifier: Apache-2.0
"""The document of a domain, and what of it may be changed one by one."""

from __future__ import annotations

from collections.abc import Callable

from virloom.drivers.qemu.admission import rewrite
from virloom.drivers.qemu.block.volumes import as_told
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_exclusive, check_flags
from virloom.drivers.runtime.jobs import Job
from virloom.drivers.runtime.metadata import (
    check_metadata,
    check_uri,
    read_metadata,
    write_metadata,
)
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import (
    DomainEventID,
    DomainModificationImpact,
    DomainXMLFlags,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid
from virloom.model.domain import Domain
from virloom.procedures import domain as p
from virloom.xml import FormatFlags, format_document

_XML_FLAGS = (
    (DomainXMLFlags.SECURE, FormatFlags.SECURE),
    (DomainXMLFlags.INACTIVE, FormatFlags.INACTIVE),
    (DomainXMLFlags.UPDATE_CPU, FormatFlags.UPDATE_CPU),
    (DomainXMLFlags.MIGRATABLE, FormatFlags.MIGRATABLE),
)

_LIVE = DomainModificationImpact.LIVE
_CONFIG = DomainModificationImpact.CONFIG


class Documents:
    """Handlers of documents, titles, metadata and autostart."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_GET_XML_DESC)
    def get_xml_desc(self, call: Call, args: p.DomainGetXMLDescArgs) -> p.DomainGetXMLDescRet:
        check_flags(call, args.flags, sum(flag for flag, _ in _XML_FLAGS))
        guest = self._driver.find(args.dom)
        flags = FormatFlags(0)
        for asked, meant in _XML_FLAGS:
            if args.flags & asked:
                flags |= meant
        inactive = bool(flags & FormatFlags.INACTIVE) or not guest.active
        if inactive:
            flags |= FormatFlags.INACTIVE
        if inactive and flags == FormatFlags.INACTIVE and guest.definition is not None:
            return p.DomainGetXMLDescRet(guest.definition.shown)
        model = guest.persistent_model() if inactive else guest.model
        if flags & FormatFlags.MIGRATABLE and not inactive and guest.running is not None:
            model = guest.running.migratable_model()
        return p.DomainGetXMLDescRet(format_document(as_told(model), flags))

    @serves(p.DOMAIN_GET_AUTOSTART)
    def get_autostart(self, call: Call, args: p.DomainGetAutostartArgs) -> p.DomainGetAutostartRet:
        guest = self._driver.find(args.dom)
        on = guest.persistent and self._driver.store.autostarts(guest.name)
        return p.DomainGetAutostartRet(int(on))

    @serves(p.DOMAIN_SET_AUTOSTART)
    async def set_autostart(self, call: Call, args: p.DomainSetAutostartArgs) -> None:
        guest = self._driver.find(args.dom)
        async with guest.writing:
            if not guest.persistent:
                raise OperationInvalid(
                    "cannot set autostart for transient domain", domain=ErrorDomain.QEMU
                )
            await self._driver.store.set_autostart(guest.name, bool(args.autostart))

    @serves(p.DOMAIN_GET_METADATA)
    def get_metadata(self, call: Call, args: p.DomainGetMetadataArgs) -> p.DomainGetMetadataRet:
        check_exclusive(args.flags)
        check_uri("virDomainGetMetadata", args.type, args.uri)
        check_flags(call, args.flags, _LIVE | _CONFIG)
        guest = self._driver.find(args.dom)
        if args.flags & _LIVE:
            guest.require_running()
        model = guest.persistent_model() if args.flags & _CONFIG else guest.model
        return p.DomainGetMetadataRet(read_metadata(lambda: model, args.type, args.uri))

    @serves(p.DOMAIN_SET_METADATA)
    async def set_metadata(self, call: Call, args: p.DomainSetMetadataArgs) -> None:
        check_uri("virDomainSetMetadata", args.type, args.uri)
        check_flags(call, args.flags, _LIVE | _CONFIG)
        check_metadata(args)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            live, config = affected(guest, args.flags)
            await self._change(guest, live, config, lambda model: write_metadata(model, args))
        self._driver.events.emit(DomainEventID.METADATA_CHANGE, guest.ref(), args.type, args.uri)

    async def _change(
        self, guest: Guest, live: bool, config: bool, change: Callable[[Domain], None]
    ) -> None:
        """Changes the persistent document first: the disk may be full."""
        if config:
            await rewrite(self._driver, guest, change)
        if live:
            running = guest.require_running()
            change(running.model)
            running.set_document()
            running.save()


def affected(guest: Guest, flags: int) -> tuple[bool, bool]:
    """Whether a change is for the running guest and for the persistent document.

    Without a flag it is for whichever is current, as with all of libvirt's calls.

    Raises:
        OperationInvalid: Live change of a domain that is shut off, or persistent change of a
            transient one.
    """
    live, config = bool(flags & _LIVE), bool(flags & _CONFIG)
    if not live and not config:
        live, config = guest.active, not guest.active
    if live and not guest.active:
        raise OperationInvalid("domain is not running", domain=ErrorDomain.DOMAIN)
    if config and not guest.persistent:
        raise OperationInvalid(
            "transient domains do not have any persistent config", domain=ErrorDomain.DOMAIN
        )
    return live, config
