# SPDX-License-Identifier: Apache-2.0
"""Interfaces of the host."""

from __future__ import annotations

from virloom.drivers.interface import listing
from virloom.drivers.interface.completion import parse_interface
from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.interface import Interface
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.interface import InterfaceDefineFlags
from virloom.errors import OperationInvalid
from virloom.procedures import interface as p
from virloom.xml import format_document


class InterfaceListing(listing.InterfaceListing[Interface]):
    """Handlers that list and look up."""

    def __init__(self, driver: InMemoryDriver) -> None:
        super().__init__(driver.interfaces, ErrorDomain.TEST)


class HostInterfaces:
    """Handlers of their documents, and of what changes them."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._interfaces = driver.interfaces

    @serves(p.INTERFACE_GET_XML_DESC)
    def get_xml_desc(self, call: Call, args: p.InterfaceGetXMLDescArgs) -> p.InterfaceGetXMLDescRet:
        check_flags(call, args.flags)
        return p.InterfaceGetXMLDescRet(
            format_document(self._interfaces.find(args.iface.name).model)
        )

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
