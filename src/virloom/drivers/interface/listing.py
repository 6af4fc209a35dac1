# SPDX-License-Identifier: Apache-2.0
"""Interfaces listed and looked up, for every driver that has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from virloom.drivers.runtime.arguments import unknown_flags
from virloom.drivers.runtime.selection import Filters, selected
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.interface import ConnectListAllInterfacesFlags
from virloom.procedures import interface as p
from virloom.procedures.interface import NonnullInterface
from virloom.procedures.record import Void

_Flags = ConnectListAllInterfacesFlags


class Listed(Protocol):
    """What lists need to know of an interface."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def active(self) -> bool:
        """Whether it is on."""
        ...

    @property
    def down(self) -> bool:
        """Whether it is known to be off."""
        ...

    def ref(self) -> NonnullInterface:
        """What calls name it by."""
        ...


I = TypeVar("I", bound=Listed, covariant=True)  # noqa: E741 # an interface


class Holder(Protocol[I]):
    """Who has interfaces."""

    @property
    def all(self) -> Sequence[I]:
        """The interfaces."""
        ...

    def find(self, name: str) -> I:
        """The one of that name; NoInterface where there is none."""
        ...

    def find_mac(self, mac: str) -> I:
        """The one with that address; NoInterface, or MultipleInterfaces where several have it."""
        ...


_FILTERS: Filters[Listed] = (
    {_Flags.ACTIVE: lambda one: one.active, _Flags.INACTIVE: lambda one: not one.active},
)


class InterfaceListing(Generic[I]):
    """Handlers that list and look up interfaces.

    Args:
        interfaces: The driver, or its part that has them.
        domain: Of its errors.
    """

    def __init__(self, interfaces: Holder[I], domain: ErrorDomain) -> None:
        self._interfaces = interfaces
        self._domain = domain

    def _active(self) -> list[str]:
        return [one.name for one in self._interfaces.all if one.active]

    def _down(self) -> list[str]:
        return [one.name for one in self._interfaces.all if one.down]

    @serves(p.CONNECT_NUM_OF_INTERFACES)
    def num_of(self, call: Call, args: Void) -> p.ConnectNumOfInterfacesRet:
        return p.ConnectNumOfInterfacesRet(len(self._active()))

    @serves(p.CONNECT_LIST_INTERFACES)
    def list_names(
        self, call: Call, args: p.ConnectListInterfacesArgs
    ) -> p.ConnectListInterfacesRet:
        return p.ConnectListInterfacesRet(self._active()[: args.maxnames])

    @serves(p.CONNECT_NUM_OF_DEFINED_INTERFACES)
    def num_of_defined(self, call: Call, args: Void) -> p.ConnectNumOfDefinedInterfacesRet:
        return p.ConnectNumOfDefinedInterfacesRet(len(self._down()))

    @serves(p.CONNECT_LIST_DEFINED_INTERFACES)
    def list_defined(
        self, call: Call, args: p.ConnectListDefinedInterfacesArgs
    ) -> p.ConnectListDefinedInterfacesRet:
        return p.ConnectListDefinedInterfacesRet(self._down()[: args.maxnames])

    @serves(p.CONNECT_LIST_ALL_INTERFACES)
    def list_all(
        self, call: Call, args: p.ConnectListAllInterfacesArgs
    ) -> p.ConnectListAllInterfacesRet:
        unknown = args.flags & ~int(sum(_Flags))
        if unknown:
            prefix = "test" if self._domain == ErrorDomain.TEST else "interface"
            raise unknown_flags(unknown, f"{prefix}ConnectListAllInterfaces", self._domain)
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

    @serves(p.INTERFACE_IS_ACTIVE)
    def is_active(self, call: Call, args: p.InterfaceIsActiveArgs) -> p.InterfaceIsActiveRet:
        return p.InterfaceIsActiveRet(int(self._interfaces.find(args.iface.name).active))
