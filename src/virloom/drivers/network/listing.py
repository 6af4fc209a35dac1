# SPDX-License-Identifier: Apache-2.0
"""Networks listed, looked up and listened to, for every driver that has them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

from virloom.drivers.runtime.arguments import unknown_flags
from virloom.drivers.runtime.object_events import ObjectEvents
from virloom.drivers.runtime.objects import ObjectIndex
from virloom.drivers.runtime.selection import Filters, Kept, kept_filters, selected
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.network import ConnectListAllNetworksFlags
from virloom.errors import NoNetwork
from virloom.procedures import network as p
from virloom.procedures.record import Void
from virloom.procedures.types import NonnullNetwork

_Flags = ConnectListAllNetworksFlags


class Listed(Kept, Protocol):
    """What lists need to know of a network."""

    def ref(self) -> NonnullNetwork:
        """What calls name it by."""
        ...


N = TypeVar("N", bound=Listed)


class Holder(Protocol[N]):
    """Who has networks."""

    @property
    def all(self) -> ObjectIndex[N]:
        """The networks."""
        ...

    @property
    def events(self) -> ObjectEvents[bytes]:
        """Who listens."""
        ...


_FILTERS: Filters[Listed] = kept_filters(_Flags)


class NetworkListing(Generic[N]):
    """Handlers that list and look up networks, and of their events.

    Args:
        networks: The driver, or its part that has them.
        domain: Of its errors.
    """

    def __init__(self, networks: Holder[N], domain: ErrorDomain) -> None:
        self._networks = networks
        self._domain = domain

    def _selected(self, flags: int) -> Iterable[Listed]:
        unknown = flags & ~int(sum(_Flags))
        if unknown:
            prefix = "test" if self._domain == ErrorDomain.TEST else "network"
            raise unknown_flags(unknown, f"{prefix}ConnectListAllNetworks", self._domain)
        return selected(self._networks.all, flags, _FILTERS)

    @serves(p.CONNECT_LIST_ALL_NETWORKS)
    def list_all(
        self, call: Call, args: p.ConnectListAllNetworksArgs
    ) -> p.ConnectListAllNetworksRet:
        found = [net.ref() for net in self._selected(args.flags)]
        return p.ConnectListAllNetworksRet(found if args.need_results else [], len(found))

    def _names(self, *, active: bool) -> list[str]:
        return [net.name for net in self._networks.all if net.active == active]

    @serves(p.CONNECT_NUM_OF_NETWORKS)
    def num_of(self, call: Call, args: Void) -> p.ConnectNumOfNetworksRet:
        return p.ConnectNumOfNetworksRet(len(self._names(active=True)))

    @serves(p.CONNECT_LIST_NETWORKS)
    def list_names(self, call: Call, args: p.ConnectListNetworksArgs) -> p.ConnectListNetworksRet:
        return p.ConnectListNetworksRet(self._names(active=True)[: args.maxnames])

    @serves(p.CONNECT_NUM_OF_DEFINED_NETWORKS)
    def num_of_defined(self, call: Call, args: Void) -> p.ConnectNumOfDefinedNetworksRet:
        return p.ConnectNumOfDefinedNetworksRet(len(self._names(active=False)))

    @serves(p.CONNECT_LIST_DEFINED_NETWORKS)
    def list_defined(
        self, call: Call, args: p.ConnectListDefinedNetworksArgs
    ) -> p.ConnectListDefinedNetworksRet:
        return p.ConnectListDefinedNetworksRet(self._names(active=False)[: args.maxnames])

    @serves(p.NETWORK_LOOKUP_BY_NAME)
    def by_name(self, call: Call, args: p.NetworkLookupByNameArgs) -> p.NetworkLookupByNameRet:
        network = self._networks.all.by_name(args.name)
        if network is None:
            raise NoNetwork(f"no network with matching name '{args.name}'", domain=self._domain)
        return p.NetworkLookupByNameRet(network.ref())

    @serves(p.NETWORK_LOOKUP_BY_UUID)
    def by_uuid(self, call: Call, args: p.NetworkLookupByUUIDArgs) -> p.NetworkLookupByUUIDRet:
        network = self._networks.all.by_uuid(args.uuid)
        if network is None:
            text = uuid.UUID(bytes=args.uuid)
            raise NoNetwork(f"no network with matching uuid '{text}'", domain=self._domain)
        return p.NetworkLookupByUUIDRet(network.ref())

    @serves(p.CONNECT_NETWORK_EVENT_REGISTER_ANY)
    def register(
        self, call: Call, args: p.ConnectNetworkEventRegisterAnyArgs
    ) -> p.ConnectNetworkEventRegisterAnyRet:
        key = args.net.uuid if args.net is not None else None
        number = self._networks.events.register(call.session, args.event_id, key)
        return p.ConnectNetworkEventRegisterAnyRet(number)

    @serves(p.CONNECT_NETWORK_EVENT_DEREGISTER_ANY)
    def deregister(self, call: Call, args: p.ConnectNetworkEventDeregisterAnyArgs) -> None:
        self._networks.events.deregister(call.session, args.callback_id)
