# SPDX-License-Identifier: Apache-2.0
"""What happens to networks, as typed events."""

from __future__ import annotations

from typing import Any

from virloom.client.families import Family, Kind
from virloom.client.network.ref import NetworkRef
from virloom.client.params import member
from virloom.client.value import Value
from virloom.enums.domain import DomainMetadataType
from virloom.enums.network import NetworkEventID, NetworkEventLifecycleType
from virloom.procedures import network as p


class NetworkEvent(Value):
    """The base of all of them."""

    network: NetworkRef


class NetworkLifecycleEvent(NetworkEvent):
    """Defined, undefined, started, stopped."""

    event: NetworkEventLifecycleType | int
    detail: int


class NetworkMetadataChangeEvent(NetworkEvent):
    """Title, description or an element of the metadata has changed."""

    type: DomainMetadataType | int
    nsuri: str | None


def _lifecycle(message: Any) -> NetworkLifecycleEvent:
    event = member(NetworkEventLifecycleType, message.event)
    return NetworkLifecycleEvent(NetworkRef.of_wire(message.net), event, message.detail)


def _metadata(message: Any) -> NetworkMetadataChangeEvent:
    kind = member(DomainMetadataType, message.type)
    return NetworkMetadataChangeEvent(NetworkRef.of_wire(message.net), kind, message.nsuri)


FAMILY = Family(
    p.CONNECT_NETWORK_EVENT_REGISTER_ANY,
    p.CONNECT_NETWORK_EVENT_DEREGISTER_ANY,
    {
        NetworkEventID.LIFECYCLE: Kind(
            p.NETWORK_EVENT_LIFECYCLE, NetworkLifecycleEvent, _lifecycle
        ),
        NetworkEventID.METADATA_CHANGE: Kind(
            p.NETWORK_EVENT_CALLBACK_METADATA_CHANGE, NetworkMetadataChangeEvent, _metadata
        ),
    },
    newer=[NetworkEventID.METADATA_CHANGE],
)
