# SPDX-License-Identifier: Apache-2.0
"""A virtual network."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from virloom.client.link import text_of
from virloom.client.network.port import NetworkPort
from virloom.client.network.ref import DHCPLease, NetworkPortRef, NetworkRef
from virloom.client.params import member
from virloom.client.resource import Resource, uuid_of
from virloom.enums.network import IPAddrType, NetworkUpdateCommand, NetworkUpdateSection
from virloom.procedures import network as p

if TYPE_CHECKING:
    from virloom.xml import Element


class Network(Resource):
    """One network, running or defined; calls raise NoNetwork when it is gone."""

    _ref: NetworkRef

    @property
    def ref(self) -> NetworkRef:
        """The identity as plain data; what events carry."""
        return self._ref

    @property
    def name(self) -> str:
        """The name."""
        return self._ref.name

    @property
    def uuid(self) -> UUID:
        """The UUID."""
        return self._ref.uuid

    # Life cycle

    async def create(self) -> None:
        """Starts a defined network."""
        await self._link.call(p.NETWORK_CREATE, p.NetworkCreateArgs(self._ref.wire))

    async def destroy(self) -> None:
        """Stops it."""
        await self._link.call(p.NETWORK_DESTROY, p.NetworkDestroyArgs(self._ref.wire))

    async def undefine(self) -> None:
        """Forgets its configuration."""
        await self._link.call(p.NETWORK_UNDEFINE, p.NetworkUndefineArgs(self._ref.wire))

    async def update(
        self,
        command: NetworkUpdateCommand,
        section: NetworkUpdateSection,
        document: str | Element,
        *,
        parent_index: int = -1,
        flags: int = 0,
    ) -> None:
        """Changes a part of it.

        Args:
            command: Whether an element is added, changed or deleted.
            section: What kind of element.
            document: The element.
            parent_index: In which of several parents; -1 for the first that will do.
            flags: :class:`~virloom.enums.network.NetworkUpdateFlags`.
        """
        args = p.NetworkUpdateArgs(
            self._ref.wire, command, section, parent_index, text_of(document), flags
        )
        await self._link.call(p.NETWORK_UPDATE, args)

    async def autostart(self) -> bool:
        """Whether it starts with the host."""
        args = p.NetworkGetAutostartArgs(self._ref.wire)
        return bool((await self._link.call(p.NETWORK_GET_AUTOSTART, args)).autostart)

    async def set_autostart(self, autostart: bool) -> None:
        """Whether it shall."""
        args = p.NetworkSetAutostartArgs(self._ref.wire, int(autostart))
        await self._link.call(p.NETWORK_SET_AUTOSTART, args)

    # What it is

    async def is_active(self) -> bool:
        """Whether it runs."""
        args = p.NetworkIsActiveArgs(self._ref.wire)
        return bool((await self._link.call(p.NETWORK_IS_ACTIVE, args)).active)

    async def is_persistent(self) -> bool:
        """Whether its configuration outlives it."""
        args = p.NetworkIsPersistentArgs(self._ref.wire)
        return bool((await self._link.call(p.NETWORK_IS_PERSISTENT, args)).persistent)

    async def xml_desc(self, flags: int = 0) -> str:
        """The document (:class:`~virloom.enums.network.NetworkXMLFlags`)."""
        args = p.NetworkGetXMLDescArgs(self._ref.wire, flags)
        return (await self._link.call(p.NETWORK_GET_XML_DESC, args)).xml

    async def bridge_name(self) -> str:
        """The host's bridge."""
        args = p.NetworkGetBridgeNameArgs(self._ref.wire)
        return (await self._link.call(p.NETWORK_GET_BRIDGE_NAME, args)).name

    async def dhcp_leases(self, mac: str | None = None, flags: int = 0) -> list[DHCPLease]:
        """The addresses given away, all or those of one MAC address."""
        args = p.NetworkGetDhcpLeasesArgs(self._ref.wire, mac, 1, flags)
        ret = await self._link.call(p.NETWORK_GET_DHCP_LEASES, args)
        return [_lease(one) for one in ret.leases]

    async def metadata(self, type: int, uri: str | None = None, flags: int = 0) -> str:
        """Title, description or an element of the metadata (libvirt 9.7).

        Args:
            type: :class:`~virloom.enums.domain.DomainMetadataType`; networks have the same.
            uri: The element's namespace.
            flags: :class:`~virloom.enums.network.NetworkUpdateFlags`.
        """
        args = p.NetworkGetMetadataArgs(self._ref.wire, type, uri, flags)
        return (await self._link.call(p.NETWORK_GET_METADATA, args)).metadata

    async def set_metadata(
        self,
        type: int,
        metadata: str | None,
        key: str | None = None,
        uri: str | None = None,
        flags: int = 0,
    ) -> None:
        """Sets it; None takes it away. *key* is the element's prefix for its namespace *uri*."""
        args = p.NetworkSetMetadataArgs(self._ref.wire, type, metadata, key, uri, flags)
        await self._link.call(p.NETWORK_SET_METADATA, args)

    # Ports

    async def list_ports(self, flags: int = 0) -> list[NetworkPort]:
        """All ports."""
        args = p.NetworkListAllPortsArgs(self._ref.wire, 1, flags)
        ret = await self._link.call(p.NETWORK_LIST_ALL_PORTS, args)
        return [NetworkPort(self._link, NetworkPortRef.of_wire(one)) for one in ret.ports]

    async def lookup_port(self, uuid: UUID | str) -> NetworkPort:
        """Finds a port.

        Raises:
            InvalidArg: *uuid* is a text that is none.
            NoNetworkPort: There is none with it.
        """
        args = p.NetworkPortLookupByUUIDArgs(self._ref.wire, uuid_of(uuid).bytes)
        ret = await self._link.call(p.NETWORK_PORT_LOOKUP_BY_UUID, args)
        return NetworkPort(self._link, NetworkPortRef.of_wire(ret.port))

    async def create_port(self, document: str | Element, flags: int = 0) -> NetworkPort:
        """Makes a port as the document says (NetworkPortCreateFlags)."""
        args = p.NetworkPortCreateXMLArgs(self._ref.wire, text_of(document), flags)
        ret = await self._link.call(p.NETWORK_PORT_CREATE_XML, args)
        return NetworkPort(self._link, NetworkPortRef.of_wire(ret.port))


def _lease(wire: p.NetworkDhcpLease) -> DHCPLease:
    return DHCPLease(
        wire.iface,
        wire.expirytime,
        member(IPAddrType, wire.type),
        wire.mac,
        wire.iaid,
        wire.ipaddr,
        wire.prefix,
        wire.hostname,
        wire.clientid,
    )
