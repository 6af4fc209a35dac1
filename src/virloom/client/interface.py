# SPDX-License-Identifier: Apache-2.0
"""Network interfaces of the host itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.client.link import text_of
from virloom.client.resource import Area, Resource
from virloom.client.value import Value
from virloom.procedures import interface as p

if TYPE_CHECKING:
    from virloom.xml import Element


class InterfaceRef(Value):
    """An interface's identity."""

    name: str
    mac: str

    @property
    def wire(self) -> p.NonnullInterface:
        """The protocol's record."""
        return p.NonnullInterface(self.name, self.mac)


class HostInterface(Resource):
    """One interface of the host; calls raise NoInterface when it is gone."""

    _ref: InterfaceRef

    @property
    def ref(self) -> InterfaceRef:
        """The identity as plain data."""
        return self._ref

    @property
    def name(self) -> str:
        """The name, such as ``eth0``."""
        return self._ref.name

    @property
    def mac(self) -> str:
        """The MAC address."""
        return self._ref.mac

    async def xml_desc(self, flags: int = 0) -> str:
        """The document (:class:`~virloom.enums.interface.InterfaceXMLFlags`)."""
        args = p.InterfaceGetXMLDescArgs(self._ref.wire, flags)
        return (await self._link.call(p.INTERFACE_GET_XML_DESC, args)).xml

    async def create(self, flags: int = 0) -> None:
        """Starts it."""
        args = p.InterfaceCreateArgs(self._ref.wire, flags)
        await self._link.call(p.INTERFACE_CREATE, args)

    async def destroy(self, flags: int = 0) -> None:
        """Stops it."""
        args = p.InterfaceDestroyArgs(self._ref.wire, flags)
        await self._link.call(p.INTERFACE_DESTROY, args)

    async def undefine(self) -> None:
        """Forgets its configuration."""
        await self._link.call(p.INTERFACE_UNDEFINE, p.InterfaceUndefineArgs(self._ref.wire))

    async def is_active(self) -> bool:
        """Whether it is up."""
        args = p.InterfaceIsActiveArgs(self._ref.wire)
        return bool((await self._link.call(p.INTERFACE_IS_ACTIVE, args)).active)


class HostInterfaces(Area):
    """``conn.interfaces``."""

    async def define_xml(self, document: str | Element, flags: int = 0) -> HostInterface:
        """Defines an interface, or changes its definition (InterfaceDefineFlags)."""
        args = p.InterfaceDefineXMLArgs(text_of(document), flags)
        return self._interface((await self._link.call(p.INTERFACE_DEFINE_XML, args)).iface)

    async def lookup_by_name(self, name: str) -> HostInterface:
        """Finds an interface.

        Raises:
            NoInterface: There is none of that name.
        """
        args = p.InterfaceLookupByNameArgs(name)
        return self._interface((await self._link.call(p.INTERFACE_LOOKUP_BY_NAME, args)).iface)

    async def lookup_by_mac(self, mac: str) -> HostInterface:
        """Finds an interface.

        Raises:
            NoInterface: There is none with that address.
            MultipleInterfaces: There are several.
        """
        args = p.InterfaceLookupByMACStringArgs(mac)
        ret = await self._link.call(p.INTERFACE_LOOKUP_BY_MAC_STRING, args)
        return self._interface(ret.iface)

    async def list(self, flags: int = 0) -> list[HostInterface]:
        """All interfaces, or some (ConnectListAllInterfacesFlags)."""
        args = p.ConnectListAllInterfacesArgs(1, flags)
        ret = await self._link.call(p.CONNECT_LIST_ALL_INTERFACES, args)
        return [self._interface(one) for one in ret.ifaces]

    async def change_begin(self, flags: int = 0) -> None:
        """From here on changes can be taken back."""
        await self._link.call(p.INTERFACE_CHANGE_BEGIN, p.InterfaceChangeBeginArgs(flags))

    async def change_commit(self, flags: int = 0) -> None:
        """Keeps the changes."""
        await self._link.call(p.INTERFACE_CHANGE_COMMIT, p.InterfaceChangeCommitArgs(flags))

    async def change_rollback(self, flags: int = 0) -> None:
        """Takes them back."""
        await self._link.call(p.INTERFACE_CHANGE_ROLLBACK, p.InterfaceChangeRollbackArgs(flags))

    def _interface(self, wire: p.NonnullInterface) -> HostInterface:
        return HostInterface(self._link, InterfaceRef(wire.name, wire.mac))
