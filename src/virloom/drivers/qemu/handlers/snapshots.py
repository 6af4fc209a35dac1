# SPDX-License-Identifier: Apache-2.0
"""Snapshots of domains: made, described, gone back to, removed."""

from __future__ import annotations

from virloom.drivers.qemu.admission import complete
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags, senseless
from virloom.drivers.qemu.snapshots import store
from virloom.drivers.qemu.snapshots.document import check_redefinition, parse_snapshot
from virloom.drivers.runtime.jobs import AsyncJob, Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.snapshot import (
    DomainSnapshotCreateFlags,
    DomainSnapshotDeleteFlags,
    DomainSnapshotRevertFlags,
    DomainSnapshotXMLFlags,
)
from virloom.errors import NoDomainSnapshot, OperationInvalid
from virloom.model.snapshot import Snapshot
from virloom.procedures import domain as p
from virloom.xml import FormatFlags, format_document

_Create = DomainSnapshotCreateFlags
_Revert = DomainSnapshotRevertFlags
_Delete = DomainSnapshotDeleteFlags
_PREFIX = "VIR_DOMAIN_SNAPSHOT_"
_SNAPSHOT = ErrorDomain.DOMAIN_SNAPSHOT

#: Flags that make sense only with another one, and those that do not go together.
_NEEDED = ((_Create.CURRENT, _Create.REDEFINE),)
_NEEDED_BY_DRIVER = ((_Create.QUIESCE, _Create.DISK_ONLY),)
_EXCLUSIVE = ((_Create.REDEFINE, _Create.NO_METADATA), (_Create.REDEFINE, _Create.HALT))
_EXCLUSIVE_BY_DRIVER = ((_Create.LIVE, _Create.REDEFINE),)


def _check_creation(flags: int) -> None:
    """Refuses flags that contradict each other, before anybody looks for the domain."""
    for flag, other in _NEEDED:
        _require(flags, flag, other, _SNAPSHOT)
    for flag, other in _EXCLUSIVE:
        _exclude(flags, flag, other, _SNAPSHOT)


def _require(flags: int, flag: _Create, other: _Create, domain: ErrorDomain) -> None:
    if flags & flag and not flags & other:
        raise senseless(
            f"Flag '{_PREFIX}CREATE_{other.name}' is required by flag "
            f"'{_PREFIX}CREATE_{flag.name}'",
            domain,
        )


def _exclude(flags: int, flag: _Create, other: _Create, domain: ErrorDomain) -> None:
    if flags & flag and flags & other:
        raise senseless(
            f"Flags '{_PREFIX}CREATE_{flag.name}' and '{_PREFIX}CREATE_{other.name}' are "
            "mutually exclusive",
            domain,
        )


class Snapshots:
    """Handlers of snapshots."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    def _find(self, ref: p.NonnullDomainSnapshot) -> tuple[Guest, Snapshot]:
        guest = self._driver.find(ref.dom)
        snapshot = store.snapshots_of(self._driver, guest).get(ref.name)
        if snapshot is None:
            raise NoDomainSnapshot(
                f"no domain snapshot with matching name '{ref.name}'", domain=ErrorDomain.QEMU
            )
        return guest, snapshot

    # -- made and described ----------------------------------------------------------------------

    @serves(p.DOMAIN_SNAPSHOT_CREATE_XML)
    async def create(
        self, call: Call, args: p.DomainSnapshotCreateXMLArgs
    ) -> p.DomainSnapshotCreateXMLRet:
        flags = args.flags
        _check_creation(flags)
        check_flags(call, flags, sum(set(_Create)))
        for flag, other in _NEEDED_BY_DRIVER:
            _require(flags, flag, other, ErrorDomain.QEMU)
        for flag, other in _EXCLUSIVE_BY_DRIVER:
            _exclude(flags, flag, other, ErrorDomain.QEMU)
        guest = self._driver.find(args.dom)
        if flags & _Create.HALT and not guest.persistent:
            raise OperationInvalid(
                "cannot halt after transient domain snapshot", domain=ErrorDomain.QEMU
            )
        model = parse_snapshot(args.xml_desc, validate=bool(flags & _Create.VALIDATE))
        async with guest.jobs.hold_async(AsyncJob.SNAPSHOT, call.procedure.name):
            if flags & _Create.REDEFINE:
                await self._redefine(guest, model, flags)
            else:
                await self._make(guest, model, flags)
        return p.DomainSnapshotCreateXMLRet(p.NonnullDomainSnapshot(model.name or "", guest.ref()))

    async def _make(self, guest: Guest, model: Snapshot, flags: int) -> None:
        from virloom.drivers.qemu.snapshots.creation import Request, create

        request = Request(
            disk_only=bool(flags & _Create.DISK_ONLY),
            metadata=not flags & _Create.NO_METADATA,
            halt=bool(flags & _Create.HALT),
            reuse=bool(flags & _Create.REUSE_EXT),
            quiesce=bool(flags & _Create.QUIESCE),
            live=bool(flags & _Create.LIVE),
        )
        await create(self._driver, guest, model, request)

    async def _redefine(self, guest: Guest, model: Snapshot, flags: int) -> None:
        """Notes a snapshot that was made before, or changes what is noted of one."""
        moments = store.snapshots_of(self._driver, guest)
        if model.domain is not None:
            model.domain = await complete(self._driver, model.domain)
            model.domain.id = None
        default = "external" if flags & _Create.DISK_ONLY else "internal"
        check_redefinition(moments, guest.uuid_text, model, default)
        former = moments.get(model.name)
        if former is not None and model.inactive_domain is None:
            model.inactive_domain = former.inactive_domain
        moments.replace(model)
        await store.write(self._driver, guest, model)
        if flags & _Create.CURRENT:
            await store.set_current(self._driver, guest, model.name)

    @serves(p.DOMAIN_SNAPSHOT_GET_XML_DESC)
    def get_xml_desc(
        self, call: Call, args: p.DomainSnapshotGetXMLDescArgs
    ) -> p.DomainSnapshotGetXMLDescRet:
        check_flags(call, args.flags, DomainSnapshotXMLFlags.SECURE)
        _, snapshot = self._find(args.snap)
        flags = FormatFlags.INACTIVE
        if args.flags & DomainSnapshotXMLFlags.SECURE:
            flags |= FormatFlags.SECURE
        return p.DomainSnapshotGetXMLDescRet(format_document(snapshot, flags))

    # -- gone back to and removed ----------------------------------------------------------------

    @serves(p.DOMAIN_REVERT_TO_SNAPSHOT)
    async def revert_to(self, call: Call, args: p.DomainRevertToSnapshotArgs) -> None:
        both = _Revert.RUNNING | _Revert.PAUSED
        if args.flags & both == both:
            raise senseless(
                "Flags 'VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING' and "
                "'VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED' are mutually exclusive",
                _SNAPSHOT,
            )
        check_flags(call, args.flags, sum(set(_Revert)))
        from virloom.drivers.qemu.snapshots.revert import revert

        guest, _ = self._find(args.snap)
        async with guest.jobs.hold_async(AsyncJob.SNAPSHOT, call.procedure.name):
            guest, snapshot = self._find(args.snap)
            await revert(self._driver, guest, snapshot, args.flags)

    @serves(p.DOMAIN_SNAPSHOT_DELETE)
    async def delete(self, call: Call, args: p.DomainSnapshotDeleteArgs) -> None:
        both = _Delete.CHILDREN | _Delete.CHILDREN_ONLY
        if args.flags & both == both:
            raise senseless(
                "Flags 'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN' and "
                "'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY' are mutually exclusive",
                _SNAPSHOT,
            )
        check_flags(call, args.flags, sum(set(_Delete)))
        from virloom.drivers.qemu.snapshots.deletion import delete

        guest, _ = self._find(args.snap)
        kind = AsyncJob.SNAPSHOT
        if args.flags & _Delete.METADATA_ONLY:
            async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
                guest, snapshot = self._find(args.snap)
                await delete(self._driver, guest, snapshot, args.flags)
            return
        async with guest.jobs.hold_async(kind, call.procedure.name):
            guest, snapshot = self._find(args.snap)
            await delete(self._driver, guest, snapshot, args.flags)
