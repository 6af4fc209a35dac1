# SPDX-License-Identifier: Apache-2.0
"""What a connection knows to do with virtual networks: make, find, list and watch them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from virloom.client.families import Kinds, Watchable
from virloom.client.link import text_of
from virloom.client.network.events import FAMILY, NetworkEvent
from virloom.client.network.network import Network
from virloom.client.network.ref import NetworkRef
from virloom.client.resource import uuid_of
from virloom.client.subscription import QUEUE_SIZE, EventStream
from virloom.procedures import network as p

if TYPE_CHECKING:
    from virloom.xml import Element


class Networks(Watchable):
    """``conn.networks``."""

    _family = FAMILY

    async def create_xml(self, document: str | Element, flags: int = 0) -> Network:
        """Starts a network from its document, without defining it (NetworkCreateFlags)."""
        text = text_of(document)
        if flags:
            with_flags = p.NetworkCreateXMLFlagsArgs(text, flags)
            again = await self._link.call(p.NETWORK_CREATE_XML_FLAGS, with_flags)
            return self.network(NetworkRef.of_wire(again.net))
        ret = await self._link.call(p.NETWORK_CREATE_XML, p.NetworkCreateXMLArgs(text))
        return self.network(NetworkRef.of_wire(ret.net))

    async def define_xml(self, document: str | Element, flags: int = 0) -> Network:
        """Defines a network, or changes its definition (NetworkDefineFlags)."""
        text = text_of(document)
        if flags:
            with_flags = p.NetworkDefineXMLFlagsArgs(text, flags)
            again = await self._link.call(p.NETWORK_DEFINE_XML_FLAGS, with_flags)
            return self.network(NetworkRef.of_wire(again.net))
        ret = await self._link.call(p.NETWORK_DEFINE_XML, p.NetworkDefineXMLArgs(text))
        return self.network(NetworkRef.of_wire(ret.net))

    def network(self, ref: NetworkRef) -> Network:
        """The object of a network that an event names; asks nobody."""
        return Network(self._link, ref)

    async def lookup_by_name(self, name: str) -> Network:
        """Finds a network.

        Raises:
            NoNetwork: There is none of that name.
        """
        args = p.NetworkLookupByNameArgs(name)
        ret = await self._link.call(p.NETWORK_LOOKUP_BY_NAME, args)
        return self.network(NetworkRef.of_wire(ret.net))

    async def lookup_by_uuid(self, uuid: UUID | str) -> Network:
        """Finds a network.

        Raises:
            InvalidArg: *uuid* is a text that is none.
            NoNetwork: There is none with it.
        """
        args = p.NetworkLookupByUUIDArgs(uuid_of(uuid).bytes)
        ret = await self._link.call(p.NETWORK_LOOKUP_BY_UUID, args)
        return self.network(NetworkRef.of_wire(ret.net))

    async def list(self, flags: int = 0) -> list[Network]:
        """All networks, or some (:class:`~virloom.enums.network.ConnectListAllNetworksFlags`)."""
        args = p.ConnectListAllNetworksArgs(1, flags)
        ret = await self._link.call(p.CONNECT_LIST_ALL_NETWORKS, args)
        return [self.network(NetworkRef.of_wire(net)) for net in ret.nets]

    def events(
        self, kind: Kinds = None, *, only: NetworkRef | None = None, queue: int = QUEUE_SIZE
    ) -> EventStream[NetworkEvent]:
        """Events as an async iterator (see :class:`~virloom.client.subscription.EventStream`).

        Args:
            kind: An event class, or several of them or of libvirt's event ids; None for all that
                libvirt 9.0.0 knows.
            only: Only those of this network (``network.ref``).
            queue: How many events may wait before the reader is told of a gap.
        """
        topics = FAMILY.topics(kind, only)
        return EventStream(self._hub, topics, queue, partly=kind is None)
