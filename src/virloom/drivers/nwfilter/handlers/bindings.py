# SPDX-License-Identifier: Apache-2.0
"""The procedures about filters at work on ports."""

from __future__ import annotations

from virloom.drivers.nwfilter.bindings.document import parse_binding
from virloom.drivers.nwfilter.driver import FilterDriver
from virloom.drivers.nwfilter.handlers.arguments import check_flags
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.nwfilter import NWFilterBindingCreateFlags
from virloom.procedures import nwfilter as p
from virloom.xml import format_document


class FilterBindings:
    """Handlers of bindings."""

    def __init__(self, driver: FilterDriver) -> None:
        self._bindings = driver.bindings

    @serves(p.CONNECT_LIST_ALL_NWFILTER_BINDINGS)
    def list_all(
        self, call: Call, args: p.ConnectListAllNwfilterBindingsArgs
    ) -> p.ConnectListAllNwfilterBindingsRet:
        check_flags(args.flags, 0, "nwfilterConnectListAllNWFilterBindings")
        found = [one.ref() for one in self._bindings]
        return p.ConnectListAllNwfilterBindingsRet(found if args.need_results else [], len(found))

    @serves(p.NWFILTER_BINDING_LOOKUP_BY_PORT_DEV)
    def by_port(
        self, call: Call, args: p.NwfilterBindingLookupByPortDevArgs
    ) -> p.NwfilterBindingLookupByPortDevRet:
        return p.NwfilterBindingLookupByPortDevRet(self._bindings.find(args.name).ref())

    @serves(p.NWFILTER_BINDING_GET_XML_DESC)
    def document(
        self, call: Call, args: p.NwfilterBindingGetXMLDescArgs
    ) -> p.NwfilterBindingGetXMLDescRet:
        check_flags(args.flags, 0, "nwfilterBindingGetXMLDesc")
        found = self._bindings.find(args.nwfilter.portdev)
        return p.NwfilterBindingGetXMLDescRet(format_document(found.model))

    @serves(p.NWFILTER_BINDING_CREATE_XML)
    async def create(
        self, call: Call, args: p.NwfilterBindingCreateXMLArgs
    ) -> p.NwfilterBindingCreateXMLRet:
        check_flags(args.flags, NWFilterBindingCreateFlags.VALIDATE, "nwfilterBindingCreateXML")
        validate = bool(args.flags & NWFilterBindingCreateFlags.VALIDATE)
        made = await self._bindings.create(parse_binding(args.xml, validate=validate))
        return p.NwfilterBindingCreateXMLRet(made.ref())

    @serves(p.NWFILTER_BINDING_DELETE)
    async def delete(self, call: Call, args: p.NwfilterBindingDeleteArgs) -> None:
        await self._bindings.delete(args.nwfilter.portdev)
