# SPDX-License-Identifier: Apache-2.0
"""The procedures about filters."""

from __future__ import annotations

from virloom.drivers.nwfilter.completion import parse_filter
from virloom.drivers.nwfilter.driver import FilterDriver
from virloom.drivers.nwfilter.handlers.arguments import check_flags
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.nwfilter import NWFilterDefineFlags
from virloom.procedures import nwfilter as p
from virloom.procedures.record import Void
from virloom.xml import FormatFlags, format_document


class Filters:
    """Handlers of filters."""

    def __init__(self, driver: FilterDriver) -> None:
        self._driver = driver

    # -- looking -------------------------------------------------------------------------------

    @serves(p.CONNECT_NUM_OF_NWFILTERS)
    def num_of(self, call: Call, args: Void) -> p.ConnectNumOfNwfiltersRet:
        return p.ConnectNumOfNwfiltersRet(len(self._driver.all))

    @serves(p.CONNECT_LIST_NWFILTERS)
    def list_names(self, call: Call, args: p.ConnectListNwfiltersArgs) -> p.ConnectListNwfiltersRet:
        names = [found.name for found in self._driver.all]
        return p.ConnectListNwfiltersRet(names[: args.maxnames])

    @serves(p.CONNECT_LIST_ALL_NWFILTERS)
    def list_all(
        self, call: Call, args: p.ConnectListAllNwfiltersArgs
    ) -> p.ConnectListAllNwfiltersRet:
        check_flags(args.flags, 0, "nwfilterConnectListAllNWFilters")
        found = [one.ref() for one in self._driver.all]
        return p.ConnectListAllNwfiltersRet(found if args.need_results else [], len(found))

    @serves(p.NWFILTER_LOOKUP_BY_NAME)
    def by_name(self, call: Call, args: p.NwfilterLookupByNameArgs) -> p.NwfilterLookupByNameRet:
        return p.NwfilterLookupByNameRet(self._driver.find_name(args.name).ref())

    @serves(p.NWFILTER_LOOKUP_BY_UUID)
    def by_uuid(self, call: Call, args: p.NwfilterLookupByUUIDArgs) -> p.NwfilterLookupByUUIDRet:
        return p.NwfilterLookupByUUIDRet(self._driver.find(args.uuid).ref())

    @serves(p.NWFILTER_GET_XML_DESC)
    def document(self, call: Call, args: p.NwfilterGetXMLDescArgs) -> p.NwfilterGetXMLDescRet:
        check_flags(args.flags, 0, "nwfilterGetXMLDesc")
        found = self._driver.find(args.nwfilter.uuid)
        return p.NwfilterGetXMLDescRet(format_document(found.model, FormatFlags.INACTIVE))

    # -- changing ------------------------------------------------------------------------------

    @serves(p.NWFILTER_DEFINE_XML)
    async def define(self, call: Call, args: p.NwfilterDefineXMLArgs) -> p.NwfilterDefineXMLRet:
        found = await self._driver.define(parse_filter(args.xml))
        return p.NwfilterDefineXMLRet(found.ref())

    @serves(p.NWFILTER_DEFINE_XML_FLAGS)
    async def define_flags(
        self, call: Call, args: p.NwfilterDefineXMLFlagsArgs
    ) -> p.NwfilterDefineXMLFlagsRet:
        check_flags(args.flags, NWFilterDefineFlags.VALIDATE, "nwfilterDefineXMLFlags")
        validate = bool(args.flags & NWFilterDefineFlags.VALIDATE)
        found = await self._driver.define(parse_filter(args.xml, validate=validate))
        return p.NwfilterDefineXMLFlagsRet(found.ref())

    @serves(p.NWFILTER_UNDEFINE)
    async def undefine(self, call: Call, args: p.NwfilterUndefineArgs) -> None:
        await self._driver.undefine(args.nwfilter.uuid)
