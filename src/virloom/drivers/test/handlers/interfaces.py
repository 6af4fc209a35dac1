# SPDX-License-Identifier: Apache-2.0
"""Interfaces of the host."""

from __future__ import annotations

from virloom.drivers.interface.completion import parse_interface
from virloom.drivers.runtime.selection import Filters, selected
from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.interface import Interface
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.interface import ConnectListAllInterfacesFlags, InterfaceDefineFlags
from virloom.errors import OperationInvalid
from virloom.procedures import interface as p
from virloom.procedures.interface import NonnullInterface
from virloom.procedures.record import Void
from virloom.xml import format_document

_Flags = ConnectListAllInterfacesFlags
_FILTERS: Filters[Interface] = (
    {_Flags.ACTIVE: lambda one: one.active, _Flags.INACTIVE: lambda one: not one.active},
)


class HostInterfaces:
    """Handlers of interfaces."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._interfaces = driver.interfaces

    # -- which there are -----------------------------------------------------------------------

    def _names(self, *, active: bool) -> list[str]:
        return [one.name for one in self._interfaces.all if one.active == active]

    @serves(p.CONNECT_NUM_OF_INTERFACES)
    def num_of(self, call: Call, args: Void) -> p.ConnectNumOfInterfacesRet:
        return p.ConnectNumOfInterfacesRet(len(self._names(active=True)))

    @serves(p.CONNECT_LIST_INTERFACES)
    def list_names(
        self, call: Call, args: p.ConnectListInterfacesArgs
    ) -> p.ConnectListInterfacesRet:
        return p.ConnectListInterfacesRet(self._names(active=True)[: args.maxnames])

    @serves(p.CONNECT_NUM_OF_DEFINED_INTERFACES)
    def num_of_defined(self, call: Call, args: Void) -> p.ConnectNumOfDefinedInterfacesRet:
        return p.ConnectNumOfDefinedInterfacesRet(len(self._names(active=False)))

    @serves(p.CONNECT_LIST_DEFINED_INTERFACES)
    def list_defined(
        self, call: Call, args: p.ConnectListDefinedInterfacesArgs
    ) -> p.ConnectListDefinedInterfacesRet:
        return p.ConnectListDefinedInterfacesRet(self._names(active=False)[: args.maxnames])

    @serves(p.CONNECT_LIST_ALL_INTERFACES)
    def list_all(
        self, call: Call, args: p.ConnectListAllInterfacesArgs
    ) -> p.ConnectListAllInterfacesRet:
        check_flags(call, args.flags, sum(_Flags))
        found = [one.ref() for one in selected(self._interfaces.all, args.flags, _FILTERS)]
        return p.ConnectListAllInterfacesRet(found if args.need_results else [], len(found))

    @serves(p.INTERFACE_LOOKUP_BY_NAME)
    def by_name(self, call: Call, args: p.InterfaceLookupByNameArgs) -> p.InterfaceLookupByNameRet:
        return p.InterfaceLookupByNameRet(self._interfaces.find(args.name).ref())

    @serves(p.INTERFACE_LOOKUP_BY_MAC_STRING)
    def by_mac(
        self, call: Call, args: p.InterfaceLookupByMACStringArgs
    ) -> p.InterfaceLookupByMACStringRet:
        """The address is shown as the caller wrote it."""
        found = self._interfaces.find_mac(args.mac)
        return p.InterfaceLookupByMACStringRet(NonnullInterface(found.name, args.mac))

    # -- one of them ---------------------------------------------------------------------------

    @serves(p.INTERFACE_GET_XML_DESC)
    def get_xml_desc(self, call: Call, args: p.InterfaceGetXMLDescArgs) -> p.InterfaceGetXMLDescRet:
        check_flags(call, args.flags)
        return p.InterfaceGetXMLDescRet(
            format_document(self._interfaces.find(args.iface.name).model)
        )

    @serves(p.INTERFACE_IS_ACTIVE)
    def is_active(self, call: Call, args: p.InterfaceIsActiveArgs) -> p.InterfaceIsActiveRet:
        return p.InterfaceIsActiveRet(int(self._interfaces.find(args.iface.name).active))

    @serves(p.INTERFACE_DEFINE_XML)
    def define(self, call: Call, args: p.InterfaceDefineXMLArgs) -> p.InterfaceDefineXMLRet:
        check_flags(call, args.flags, InterfaceDefineFlags.VALIDATE)
        model = parse_interface(args.xml, validate=bool(args.flags))
        return p.InterfaceDefineXMLRet(self._interfaces.add(model).ref())

    @serves(p.INTERFACE_UNDEFINE)
    def undefine(self, call: Call, args: p.InterfaceUndefineArgs) -> None:
        """Also of one that is on."""
        self._interfaces.remove(self._interfaces.find(args.iface.name))

    @serves(p.INTERFACE_CREATE)
    def create(self, call: Call, args: p.InterfaceCreateArgs) -> None:
        check_flags(call, args.flags)
        self._switch(args.iface.name, on=True)

    @serves(p.INTERFACE_DESTROY)
    def destroy(self, call: Call, args: p.InterfaceDestroyArgs) -> None:
        check_flags(call, args.flags)
        self._switch(args.iface.name, on=False)

    def _switch(self, name: str, *, on: bool) -> None:
        interface = self._interfaces.find(name)
        if interface.active == on:
            raise OperationInvalid(domain=ErrorDomain.TEST)
        interface.active = on

    # -- changes that may be taken back --------------------------------------------------------

    @serves(p.INTERFACE_CHANGE_BEGIN)
    def begin(self, call: Call, args: p.InterfaceChangeBeginArgs) -> None:
        check_flags(call, args.flags)
        self._interfaces.begin()

    @serves(p.INTERFACE_CHANGE_COMMIT)
    def commit(self, call: Call, args: p.InterfaceChangeCommitArgs) -> None:
        check_flags(call, args.flags)
        self._interfaces.commit()

    @serves(p.INTERFACE_CHANGE_ROLLBACK)
    def roll_back(self, call: Call, args: p.InterfaceChangeRollbackArgs) -> None:
        check_flags(call, args.flags)
        self._interfaces.roll_back()
