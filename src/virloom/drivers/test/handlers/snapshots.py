# SPDX-License-Identifier: Apache-2.0
"""Snapshots of domains: made, described, gone back to, removed."""

from __future__ import annotations

from virloom.drivers.runtime.arguments import senseless
from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.handlers.documents import format_flags
from virloom.drivers.test.lifecycle import end
from virloom.drivers.test.revert import revert
from virloom.drivers.test.snapshots import check_redefinition, new_snapshot, parse_snapshot
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainEventStoppedDetailType, DomainShutoffReason
from virloom.enums.error import ErrorDomain
from virloom.enums.snapshot import (
    DomainSnapshotCreateFlags,
    DomainSnapshotDeleteFlags,
    DomainSnapshotRevertFlags,
    DomainSnapshotXMLFlags,
)
from virloom.errors import OperationInvalid, OperationUnsupported
from virloom.procedures import domain as p
from virloom.xml import format_document

_Create = DomainSnapshotCreateFlags
_Revert = DomainSnapshotRevertFlags
_Delete = DomainSnapshotDeleteFlags
_CREATE_FLAGS = (
    _Create.REDEFINE | _Create.CURRENT | _Create.HALT | _Create.QUIESCE | _Create.ATOMIC
    | _Create.LIVE | _Create.VALIDATE
)  # fmt: skip


class Snapshots:
    """Handlers of snapshots."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_SNAPSHOT_CREATE_XML)
    def create(
        self, call: Call, args: p.DomainSnapshotCreateXMLArgs
    ) -> p.DomainSnapshotCreateXMLRet:
        redefine = bool(args.flags & _Create.REDEFINE)
        if args.flags & _Create.CURRENT and not redefine:
            raise senseless(
                "Flag 'VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE' is required by flag "
                "'VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT'",
                ErrorDomain.DOMAIN_SNAPSHOT,
            )
        check_flags(call, args.flags, _CREATE_FLAGS)
        guest = self._driver.find(args.dom)
        if len(guest.checkpoints):
            raise OperationUnsupported(
                "cannot create snapshot while checkpoint exists", domain=ErrorDomain.TEST
            )
        halt = bool(args.flags & _Create.HALT)
        if halt and not guest.persistent:
            raise OperationInvalid(
                "cannot halt after transient domain snapshot", domain=ErrorDomain.TEST
            )
        model = parse_snapshot(args.xml_desc, validate=bool(args.flags & _Create.VALIDATE))
        if redefine:
            check_redefinition(guest, model)
            guest.snapshots.replace(model)
            if args.flags & _Create.CURRENT:
                guest.snapshots.current = model.name
        else:
            guest.snapshots.add(new_snapshot(guest, model))
            if halt and guest.active:
                reason = DomainShutoffReason.FROM_SNAPSHOT
                end(self._driver, guest, reason, DomainEventStoppedDetailType.FROM_SNAPSHOT)
        return p.DomainSnapshotCreateXMLRet(p.NonnullDomainSnapshot(model.name or "", guest.ref()))

    @serves(p.DOMAIN_SNAPSHOT_GET_XML_DESC)
    def get_xml_desc(
        self, call: Call, args: p.DomainSnapshotGetXMLDescArgs
    ) -> p.DomainSnapshotGetXMLDescRet:
        check_flags(call, args.flags, DomainSnapshotXMLFlags.SECURE)
        _, snapshot = self._driver.find_snapshot(args.snap)
        return p.DomainSnapshotGetXMLDescRet(format_document(snapshot, format_flags(args.flags)))

    @serves(p.DOMAIN_REVERT_TO_SNAPSHOT)
    def revert_to(self, call: Call, args: p.DomainRevertToSnapshotArgs) -> None:
        both = _Revert.RUNNING | _Revert.PAUSED
        if args.flags & both == both:
            raise senseless(
                "Flags 'VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING' and "
                "'VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED' are mutually exclusive",
                ErrorDomain.DOMAIN_SNAPSHOT,
            )
        check_flags(call, args.flags, both | _Revert.FORCE)
        guest, snapshot = self._driver.find_snapshot(args.snap)
        revert(self._driver, guest, snapshot, args.flags)

    @serves(p.DOMAIN_SNAPSHOT_DELETE)
    def delete(self, call: Call, args: p.DomainSnapshotDeleteArgs) -> None:
        both = _Delete.CHILDREN | _Delete.CHILDREN_ONLY
        if args.flags & both == both:
            raise senseless(
                "Flags 'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN' and "
                "'VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY' are mutually exclusive",
                ErrorDomain.DOMAIN_SNAPSHOT,
            )
        check_flags(call, args.flags, both)
        guest, snapshot = self._driver.find_snapshot(args.snap)
        itself = not args.flags & _Delete.CHILDREN_ONLY
        guest.snapshots.remove(snapshot, children=bool(args.flags & both), itself=itself)
