# SPDX-License-Identifier: Apache-2.0
"""Network filters, and their bindings to the interfaces of guests."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from virloom.client.link import text_of
from virloom.client.resource import Area, Resource, uuid_of
from virloom.client.value import Value
from virloom.procedures import nwfilter as p

if TYPE_CHECKING:
    from virloom.xml import Element


class NWFilterRef(Value):
    """A filter's identity."""

    name: str
    uuid: UUID

    @property
    def wire(self) -> p.NonnullNwfilter:
        """The protocol's record."""
        return p.NonnullNwfilter(self.name, self.uuid.bytes)


class NWFilterBindingRef(Value):
    """The identity of a binding: the interface, and the filter that it has."""

    port_dev: str
    filter_name: str

    @property
    def wire(self) -> p.NonnullNwfilterBinding:
        """The protocol's record."""
        return p.NonnullNwfilterBinding(self.port_dev, self.filter_name)


class NWFilter(Resource):
    """One filter; calls raise NoNwfilter when it is gone."""

    _ref: NWFilterRef

    @property
    def ref(self) -> NWFilterRef:
        """The identity as plain data."""
        return self._ref

    @property
    def name(self) -> str:
        """The name."""
        return self._ref.name

    @property
    def uuid(self) -> UUID:
        """The UUID."""
        return self._ref.uuid

    async def xml_desc(self, flags: int = 0) -> str:
        """The document."""
        args = p.NwfilterGetXMLDescArgs(self._ref.wire, flags)
        return (await self._link.call(p.NWFILTER_GET_XML_DESC, args)).xml

    async def undefine(self) -> None:
        """Forgets it."""
        await self._link.call(p.NWFILTER_UNDEFINE, p.NwfilterUndefineArgs(self._ref.wire))


class NWFilterBinding(Resource):
    """A filter on one interface; calls raise NoNwfilterBinding when it is gone."""

    _ref: NWFilterBindingRef

    @property
    def ref(self) -> NWFilterBindingRef:
        """The identity as plain data."""
        return self._ref

    @property
    def port_dev(self) -> str:
        """The host's name of the interface."""
        return self._ref.port_dev

    @property
    def filter_name(self) -> str:
        """The name of the filter."""
        return self._ref.filter_name

    async def xml_desc(self, flags: int = 0) -> str:
        """The document."""
        args = p.NwfilterBindingGetXMLDescArgs(self._ref.wire, flags)
        return (await self._link.call(p.NWFILTER_BINDING_GET_XML_DESC, args)).xml

    async def delete(self) -> None:
        """Takes the filter off the interface."""
        args = p.NwfilterBindingDeleteArgs(self._ref.wire)
        await self._link.call(p.NWFILTER_BINDING_DELETE, args)


class NWFilters(Area):
    """``conn.nwfilters``."""

    async def define_xml(self, document: str | Element, flags: int = 0) -> NWFilter:
        """Defines a filter, or changes its definition (NWFilterDefineFlags)."""
        text = text_of(document)
        if flags:
            with_flags = p.NwfilterDefineXMLFlagsArgs(text, flags)
            again = await self._link.call(p.NWFILTER_DEFINE_XML_FLAGS, with_flags)
            return self._filter(again.nwfilter)
        ret = await self._link.call(p.NWFILTER_DEFINE_XML, p.NwfilterDefineXMLArgs(text))
        return self._filter(ret.nwfilter)

    async def lookup_by_name(self, name: str) -> NWFilter:
        """Finds a filter.

        Raises:
            NoNwfilter: There is none of that name.
        """
        args = p.NwfilterLookupByNameArgs(name)
        return self._filter((await self._link.call(p.NWFILTER_LOOKUP_BY_NAME, args)).nwfilter)

    async def lookup_by_uuid(self, uuid: UUID | str) -> NWFilter:
        """Finds a filter.

        Raises:
            InvalidArg: *uuid* is a text that is none.
            NoNwfilter: There is none with it.
        """
        args = p.NwfilterLookupByUUIDArgs(uuid_of(uuid).bytes)
        return self._filter((await self._link.call(p.NWFILTER_LOOKUP_BY_UUID, args)).nwfilter)

    async def list(self, flags: int = 0) -> list[NWFilter]:
        """All filters."""
        args = p.ConnectListAllNwfiltersArgs(1, flags)
        ret = await self._link.call(p.CONNECT_LIST_ALL_NWFILTERS, args)
        return [self._filter(one) for one in ret.filters]

    def _filter(self, wire: p.NonnullNwfilter) -> NWFilter:
        return NWFilter(self._link, NWFilterRef(wire.name, UUID(bytes=wire.uuid)))


class NWFilterBindings(Area):
    """``conn.nwfilter_bindings``."""

    async def create_xml(self, document: str | Element, flags: int = 0) -> NWFilterBinding:
        """Puts a filter on an interface (NWFilterBindingCreateFlags)."""
        args = p.NwfilterBindingCreateXMLArgs(text_of(document), flags)
        return self._binding((await self._link.call(p.NWFILTER_BINDING_CREATE_XML, args)).nwfilter)

    async def lookup_by_port_dev(self, name: str) -> NWFilterBinding:
        """Finds the binding of an interface.

        Raises:
            NoNwfilterBinding: It has no filter.
        """
        args = p.NwfilterBindingLookupByPortDevArgs(name)
        ret = await self._link.call(p.NWFILTER_BINDING_LOOKUP_BY_PORT_DEV, args)
        return self._binding(ret.nwfilter)

    async def list(self, flags: int = 0) -> list[NWFilterBinding]:
        """All bindings."""
        args = p.ConnectListAllNwfilterBindingsArgs(1, flags)
        ret = await self._link.call(p.CONNECT_LIST_ALL_NWFILTER_BINDINGS, args)
        return [self._binding(one) for one in ret.bindings]

    def _binding(self, wire: p.NonnullNwfilterBinding) -> NWFilterBinding:
        return NWFilterBinding(self._link, NWFilterBindingRef(wire.portdev, wire.filtername))
