# SPDX-License-Identifier: Apache-2.0
"""Virtual networks of the test driver."""

from __future__ import annotations

from uuid import UUID

from virloom.drivers.runtime.object_events import ObjectEvents
from virloom.drivers.runtime.objects import ObjectIndex
from virloom.enums.error import ErrorDomain
from virloom.enums.network import NetworkEventID, NetworkEventLifecycleType
from virloom.errors import NoNetwork, OperationFailed, OperationInvalid
from virloom.model.network import Network
from virloom.procedures import network as p
from virloom.procedures.types import NonnullNetwork

KNOWN = frozenset({int(NetworkEventID.LIFECYCLE)})


class VirtualNetwork:
    """A network.

    Attributes:
        current: The document that clients see.
        pending: Another one, which was defined or changed while the network was active. Nothing
            ever makes it the current one, as in libvirt's test driver.
    """

    def __init__(self, model: Network) -> None:
        self.current = model
        self.pending: Network | None = None
        self.uuid = UUID(model.uuid).bytes
        self.name = model.name
        self.active = False
        self.persistent = False
        self.autostart = False

    @property
    def persistent_document(self) -> Network:
        """The one that a change of the configuration is about."""
        return self.pending or self.current

    def ref(self) -> NonnullNetwork:
        """What calls and events name it by."""
        return NonnullNetwork(self.name, self.uuid)


class Networks:
    """All networks, and who listens to what happens to them."""

    def __init__(self) -> None:
        self.all: ObjectIndex[VirtualNetwork] = ObjectIndex()
        self.events: ObjectEvents[bytes] = ObjectEvents("network", KNOWN)

    def find(self, ref: NonnullNetwork) -> VirtualNetwork:
        """The network that a call names.

        Raises:
            NoNetwork: There is none.
        """
        network = self.all.by_uuid(ref.uuid)
        if network is None:
            raise NoNetwork(f"no network with matching name '{ref.name}'", domain=ErrorDomain.TEST)
        return network

    def admit(self, model: Network, *, live: bool) -> VirtualNetwork:
        """The network that *model* describes: a known one that has it now, or a new one.

        Raises:
            OperationFailed: The name or the UUID belongs to another network.
            OperationInvalid: It is to be started, and is active.
        """
        uuid = UUID(model.uuid).bytes
        network = self.all.by_uuid(uuid)
        if network is None:
            return self._new(model)
        if network.name != model.name:
            raise OperationFailed(
                f"network '{network.name}' is already defined with uuid {model.uuid}",
                domain=ErrorDomain.NETWORK,
            )
        if live and network.active:
            raise OperationInvalid(
                f"network is already active as '{network.name}'", domain=ErrorDomain.NETWORK
            )
        if network.active:
            network.pending = model
        else:
            network.current = model
        return network

    def _new(self, model: Network) -> VirtualNetwork:
        namesake = self.all.by_name(model.name)
        if namesake is not None:
            raise OperationFailed(
                f"network '{model.name}' already exists with uuid {namesake.current.uuid}",
                domain=ErrorDomain.NETWORK,
            )
        network = VirtualNetwork(model)
        self.all.add(network)
        return network

    def tell(self, network: VirtualNetwork, event: NetworkEventLifecycleType) -> None:
        """Tells whoever listens of a change in its life."""
        self.events.emit(
            NetworkEventID.LIFECYCLE,
            network.uuid,
            p.NETWORK_EVENT_LIFECYCLE,
            lambda number: p.NetworkEventLifecycleMsg(number, network.ref(), int(event), 0),
        )
