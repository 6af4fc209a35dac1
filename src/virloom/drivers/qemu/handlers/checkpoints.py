# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of domains."""

from __future__ import annotations

from virloom.drivers.qemu.checkpoints import files
from virloom.drivers.qemu.checkpoints.create import create, redefine
from virloom.drivers.qemu.checkpoints.delete import delete
from virloom.drivers.qemu.checkpoints.sizes import with_sizes
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags, senseless
from virloom.drivers.runtime.checkpoints import parse_checkpoint
from virloom.drivers.runtime.jobs import Job
from virloom.drivers.runtime.moments import names_of, parent_of
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.checkpoint import (
    DomainCheckpointCreateFlags,
    DomainCheckpointDeleteFlags,
    DomainCheckpointListFlags,
    DomainCheckpointXMLFlags,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import NoDomainCheckpoint, OperationUnsupported
from virloom.model.snapshot import Checkpoint
from virloom.procedures import domain as p
from virloom.xml import FormatFlags, format_document

_Create = DomainCheckpointCreateFlags
_Delete = DomainCheckpointDeleteFlags
_XML = DomainCheckpointXMLFlags
_LIST_FLAGS = sum(set(DomainCheckpointListFlags))


class Checkpoints:
    """Handlers of checkpoints."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    def _find(self, ref: p.NonnullDomainCheckpoint) -> tuple[Guest, Checkpoint]:
        guest = self._driver.find(ref.dom)
        found = files.checkpoints_of(self._driver, guest).get(ref.name)
        if found is None:
            raise NoDomainCheckpoint(
                f"no domain checkpoint with matching name '{ref.name}'", domain=ErrorDomain.QEMU
            )
        return guest, found

    # -- which there are -----------------------------------------------------------------------

    @serves(p.DOMAIN_LIST_ALL_CHECKPOINTS)
    def list_all(
        self, call: Call, args: p.DomainListAllCheckpointsArgs
    ) -> p.DomainListAllCheckpointsRet:
        check_flags(call, args.flags, _LIST_FLAGS)
        guest = self._driver.find(args.dom)
        known = files.checkpoints_of(self._driver, guest)
        found = _refs(guest, names_of(known.listed(args.flags)))
        return p.DomainListAllCheckpointsRet(found if args.need_results else [], len(found))

    @serves(p.DOMAIN_CHECKPOINT_LIST_ALL_CHILDREN)
    def list_all_children(
        self, call: Call, args: p.DomainCheckpointListAllChildrenArgs
    ) -> p.DomainCheckpointListAllChildrenRet:
        check_flags(call, args.flags, _LIST_FLAGS)
        guest, checkpoint = self._find(args.checkpoint)
        known = files.checkpoints_of(self._driver, guest)
        found = _refs(guest, names_of(known.listed(args.flags, checkpoint.name)))
        return p.DomainCheckpointListAllChildrenRet(found if args.need_results else [], len(found))

    @serves(p.DOMAIN_CHECKPOINT_LOOKUP_BY_NAME)
    def by_name(
        self, call: Call, args: p.DomainCheckpointLookupByNameArgs
    ) -> p.DomainCheckpointLookupByNameRet:
        check_flags(call, args.flags, 0)
        guest, checkpoint = self._find(p.NonnullDomainCheckpoint(args.name, args.dom))
        return p.DomainCheckpointLookupByNameRet(*_refs(guest, [checkpoint.name or ""]))

    @serves(p.DOMAIN_CHECKPOINT_GET_PARENT)
    def get_parent(
        self, call: Call, args: p.DomainCheckpointGetParentArgs
    ) -> p.DomainCheckpointGetParentRet:
        check_flags(call, args.flags, 0)
        guest, checkpoint = self._find(args.checkpoint)
        parent = parent_of(checkpoint)
        if parent is None:
            raise NoDomainCheckpoint(
                f"checkpoint '{checkpoint.name}' does not have a parent", domain=ErrorDomain.QEMU
            )
        return p.DomainCheckpointGetParentRet(*_refs(guest, [parent]))

    # -- made, described, removed --------------------------------------------------------------

    @serves(p.DOMAIN_CHECKPOINT_CREATE_XML)
    async def create(
        self, call: Call, args: p.DomainCheckpointCreateXMLArgs
    ) -> p.DomainCheckpointCreateXMLRet:
        again = bool(args.flags & _Create.REDEFINE)
        validate = bool(args.flags & _Create.REDEFINE_VALIDATE)
        if validate and not again:
            raise senseless(
                "Flag 'VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE' is required by flag "
                "'VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE'",
                ErrorDomain.DOMAIN_CHECKPOINT,
            )
        # QUIESCE is refused as by libvirt 9, whose QEMU driver does not have it.
        known = _Create.REDEFINE | _Create.REDEFINE_VALIDATE
        check_flags(call, args.flags, known, function="qemuCheckpointCreateXML")
        guest = self._driver.find(args.dom)
        if not again:
            _require_active(guest, "create")
        model = parse_checkpoint(args.xml_desc)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            if again:
                await redefine(self._driver, guest, model, validate=validate)
            else:
                _require_active(guest, "create")
                await create(self._driver, guest, model)
        return p.DomainCheckpointCreateXMLRet(*_refs(guest, [model.name or ""]))

    @serves(p.DOMAIN_CHECKPOINT_GET_XML_DESC)
    async def get_xml_desc(
        self, call: Call, args: p.DomainCheckpointGetXMLDescArgs
    ) -> p.DomainCheckpointGetXMLDescRet:
        known = _XML.SECURE | _XML.NO_DOMAIN | _XML.SIZE
        check_flags(call, args.flags, known, function="qemuCheckpointGetXMLDesc")
        guest, shown = self._find(args.checkpoint)
        if args.flags & _XML.SIZE:
            async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
                running = guest.require_running()
                _, shown = self._find(args.checkpoint)
                shown = await with_sizes(running, shown)
        if args.flags & _XML.NO_DOMAIN:
            shown = shown.beside(domain=None)
        flags = FormatFlags.INACTIVE
        if args.flags & _XML.SECURE:
            flags |= FormatFlags.SECURE
        return p.DomainCheckpointGetXMLDescRet(format_document(shown, flags))

    @serves(p.DOMAIN_CHECKPOINT_DELETE)
    async def delete(self, call: Call, args: p.DomainCheckpointDeleteArgs) -> None:
        both = _Delete.CHILDREN | _Delete.CHILDREN_ONLY
        if args.flags & both == both:
            raise senseless(
                "Flags 'VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN' and "
                "'VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN_ONLY' are mutually exclusive",
                ErrorDomain.DOMAIN_CHECKPOINT,
            )
        known = both | _Delete.METADATA_ONLY
        check_flags(call, args.flags, known, function="qemuCheckpointDelete")
        guest = self._driver.find(args.checkpoint.dom)
        metadata_only = bool(args.flags & _Delete.METADATA_ONLY)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            if not metadata_only:
                _require_active(guest, "delete")
            _, checkpoint = self._find(args.checkpoint)
            moments = files.checkpoints_of(self._driver, guest)
            gone = moments.below(checkpoint.name, deep=True) if args.flags & both else []
            if not args.flags & _Delete.CHILDREN_ONLY:
                gone.append(checkpoint)
            await delete(self._driver, guest, gone, metadata_only=metadata_only)


def _require_active(guest: Guest, what: str) -> None:
    """Only a guest that runs has bitmaps that somebody can change."""
    if not guest.active:
        raise OperationUnsupported(
            f"cannot {what} checkpoint for inactive domain", domain=ErrorDomain.QEMU
        )


def _refs(guest: Guest, names: list[str]) -> list[p.NonnullDomainCheckpoint]:
    ref = guest.ref()
    return [p.NonnullDomainCheckpoint(name, ref) for name in names]
