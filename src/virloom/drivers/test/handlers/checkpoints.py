# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of domains."""

from __future__ import annotations

from virloom.drivers.runtime.arguments import senseless
from virloom.drivers.runtime.checkpoints import parse_checkpoint
from virloom.drivers.runtime.moments import names_of, parent_of
from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.checkpoints import check_redefinition, new_checkpoint
from virloom.drivers.test.domain import Guest
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.handlers.documents import format_flags
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.checkpoint import (
    DomainCheckpointCreateFlags,
    DomainCheckpointDeleteFlags,
    DomainCheckpointListFlags,
    DomainCheckpointXMLFlags,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import NoDomainCheckpoint, OperationUnsupported
from virloom.procedures import domain as p
from virloom.xml import format_document

_Create = DomainCheckpointCreateFlags
_Delete = DomainCheckpointDeleteFlags
_XML = DomainCheckpointXMLFlags
_LIST_FLAGS = sum(set(DomainCheckpointListFlags))


class Checkpoints:
    """Handlers of checkpoints."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    # -- which there are -----------------------------------------------------------------------

    @serves(p.DOMAIN_LIST_ALL_CHECKPOINTS)
    def list_all(
        self, call: Call, args: p.DomainListAllCheckpointsArgs
    ) -> p.DomainListAllCheckpointsRet:
        check_flags(call, args.flags, _LIST_FLAGS)
        guest = self._driver.find(args.dom)
        found = _refs(guest, names_of(guest.checkpoints.listed(args.flags)))
        return p.DomainListAllCheckpointsRet(found if args.need_results else [], len(found))

    @serves(p.DOMAIN_CHECKPOINT_LIST_ALL_CHILDREN)
    def list_all_children(
        self, call: Call, args: p.DomainCheckpointListAllChildrenArgs
    ) -> p.DomainCheckpointListAllChildrenRet:
        check_flags(call, args.flags, _LIST_FLAGS)
        guest, checkpoint = self._driver.find_checkpoint(args.checkpoint)
        found = _refs(guest, names_of(guest.checkpoints.listed(args.flags, checkpoint.name)))
        return p.DomainCheckpointListAllChildrenRet(found if args.need_results else [], len(found))

    @serves(p.DOMAIN_CHECKPOINT_LOOKUP_BY_NAME)
    def by_name(
        self, call: Call, args: p.DomainCheckpointLookupByNameArgs
    ) -> p.DomainCheckpointLookupByNameRet:
        check_flags(call, args.flags)
        checkpoint = p.NonnullDomainCheckpoint(args.name, self._driver.find(args.dom).ref())
        self._driver.find_checkpoint(checkpoint)
        return p.DomainCheckpointLookupByNameRet(checkpoint)

    @serves(p.DOMAIN_CHECKPOINT_GET_PARENT)
    def get_parent(
        self, call: Call, args: p.DomainCheckpointGetParentArgs
    ) -> p.DomainCheckpointGetParentRet:
        check_flags(call, args.flags)
        guest, checkpoint = self._driver.find_checkpoint(args.checkpoint)
        parent = parent_of(checkpoint)
        if parent is None:
            raise NoDomainCheckpoint(
                f"checkpoint '{checkpoint.name}' does not have a parent", domain=ErrorDomain.TEST
            )
        return p.DomainCheckpointGetParentRet(*_refs(guest, [parent]))

    # -- made, described, removed --------------------------------------------------------------

    @serves(p.DOMAIN_CHECKPOINT_CREATE_XML)
    def create(
        self, call: Call, args: p.DomainCheckpointCreateXMLArgs
    ) -> p.DomainCheckpointCreateXMLRet:
        redefine = bool(args.flags & _Create.REDEFINE)
        if args.flags & _Create.REDEFINE_VALIDATE and not redefine:
            raise senseless(
                "Flag 'VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE' is required by flag "
                "'VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE_VALIDATE'",
                ErrorDomain.DOMAIN_CHECKPOINT,
            )
        check_flags(call, args.flags, sum(_Create))
        guest = self._driver.find(args.dom)
        if len(guest.snapshots):
            raise OperationUnsupported(
                "cannot create checkpoint while snapshot exists", domain=ErrorDomain.TEST
            )
        if not guest.active:
            raise OperationUnsupported(
                "cannot create checkpoint for inactive domain", domain=ErrorDomain.TEST
            )
        model = parse_checkpoint(args.xml_desc)
        if redefine:
            check_redefinition(guest, model)
            guest.checkpoints.replace(model)
        else:
            guest.checkpoints.add(new_checkpoint(guest, model))
        return p.DomainCheckpointCreateXMLRet(*_refs(guest, [model.name or ""]))

    @serves(p.DOMAIN_CHECKPOINT_GET_XML_DESC)
    def get_xml_desc(
        self, call: Call, args: p.DomainCheckpointGetXMLDescArgs
    ) -> p.DomainCheckpointGetXMLDescRet:
        check_flags(call, args.flags, _XML.SECURE | _XML.NO_DOMAIN | _XML.SIZE)
        _, checkpoint = self._driver.find_checkpoint(args.checkpoint)
        shown = checkpoint.beside(domain=None) if args.flags & _XML.NO_DOMAIN else checkpoint
        flags = format_flags(args.flags & _XML.SECURE)
        return p.DomainCheckpointGetXMLDescRet(format_document(shown, flags))

    @serves(p.DOMAIN_CHECKPOINT_DELETE)
    def delete(self, call: Call, args: p.DomainCheckpointDeleteArgs) -> None:
        both = _Delete.CHILDREN | _Delete.CHILDREN_ONLY
        if args.flags & both == both:
            raise senseless(
                "Flags 'VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN' and "
                "'VIR_DOMAIN_CHECKPOINT_DELETE_CHILDREN_ONLY' are mutually exclusive",
                ErrorDomain.DOMAIN_CHECKPOINT,
            )
        check_flags(call, args.flags, both | _Delete.METADATA_ONLY)
        guest, checkpoint = self._driver.find_checkpoint(args.checkpoint)
        itself = not args.flags & _Delete.CHILDREN_ONLY
        guest.checkpoints.remove(checkpoint, children=bool(args.flags & both), itself=itself)


def _refs(guest: Guest, names: list[str]) -> list[p.NonnullDomainCheckpoint]:
    ref = guest.ref()
    return [p.NonnullDomainCheckpoint(name, ref) for name in names]
