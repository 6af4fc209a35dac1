# SPDX-License-Identifier: Apache-2.0
"""Which network, and which port of it, is meant; and what their calls return."""

from __future__ import annotations

from uuid import UUID

from virloom.client.value import Value
from virloom.enums.network import IPAddrType
from virloom.procedures.network import NonnullNetworkPort
from virloom.procedures.types import NonnullNetwork


class NetworkRef(Value):
    """A network's identity as the host told it: plain data, good on any connection."""

    name: str
    uuid: UUID

    @classmethod
    def of_wire(cls, net: NonnullNetwork) -> NetworkRef:
        """From the protocol's record."""
        return cls(net.name, UUID(bytes=net.uuid))

    @property
    def wire(self) -> NonnullNetwork:
        """The protocol's record."""
        return NonnullNetwork(self.name, self.uuid.bytes)


class NetworkPortRef(Value):
    """The identity of a network's port."""

    network: NetworkRef
    uuid: UUID

    @classmethod
    def of_wire(cls, port: NonnullNetworkPort) -> NetworkPortRef:
        """From the protocol's record."""
        return cls(NetworkRef.of_wire(port.net), UUID(bytes=port.uuid))

    @property
    def wire(self) -> NonnullNetworkPort:
        """The protocol's record."""
        return NonnullNetworkPort(self.network.wire, self.uuid.bytes)


class DHCPLease(Value):
    """An address that a network's DHCP server has given away."""

    interface: str
    expiry: int
    """Seconds since 1970; 0 for never."""
    type: IPAddrType | int
    mac: str | None
    iaid: str | None
    address: str
    prefix: int
    hostname: str | None
    client_id: str | None
