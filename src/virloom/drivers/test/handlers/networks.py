# SPDX-License-Identifier: Apache-2.0
"""Virtual networks."""

from __future__ import annotations

import uuid

from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.update import update
from virloom.drivers.runtime.selection import Filters, selected
from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.callbacks import end_registration
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.network import VirtualNetwork
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.network import (
    ConnectListAllNetworksFlags,
    NetworkCreateFlags,
    NetworkDefineFlags,
    NetworkEventLifecycleType,
    NetworkUpdateFlags,
)
from virloom.errors import InternalError, NoNetwork, OperationInvalid
from virloom.model.network import Network
from virloom.procedures import network as p
from virloom.procedures.record import Void
from virloom.procedures.types import NonnullNetwork
from virloom.xml import format_document

_Flags = ConnectListAllNetworksFlags
_FILTERS: Filters[VirtualNetwork] = (
    {_Flags.ACTIVE: lambda net: net.active, _Flags.INACTIVE: lambda net: not net.active},
    {
        _Flags.PERSISTENT: lambda net: net.persistent,
        _Flags.TRANSIENT: lambda net: not net.persistent,
    },
    {
        _Flags.AUTOSTART: lambda net: net.autostart,
        _Flags.NO_AUTOSTART: lambda net: not net.autostart,
    },
)
_LIVE, _CONFIG = int(NetworkUpdateFlags.LIVE), int(NetworkUpdateFlags.CONFIG)


class NetworkListing:
    """Handlers that list and look up networks, and of their events."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._networks = driver.networks

    @serves(p.CONNECT_LIST_ALL_NETWORKS)
    def list_all(
        self, call: Call, args: p.ConnectListAllNetworksArgs
    ) -> p.ConnectListAllNetworksRet:
        check_flags(call, args.flags, sum(_Flags))
        found = [net.ref() for net in selected(self._networks.all, args.flags, _FILTERS)]
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
            raise NoNetwork(f"no network with matching name '{args.name}'", domain=ErrorDomain.TEST)
        return p.NetworkLookupByNameRet(network.ref())

    @serves(p.NETWORK_LOOKUP_BY_UUID)
    def by_uuid(self, call: Call, args: p.NetworkLookupByUUIDArgs) -> p.NetworkLookupByUUIDRet:
        network = self._networks.all.by_uuid(args.uuid)
        if network is None:
            text = uuid.UUID(bytes=args.uuid)
            raise NoNetwork(f"no network with matching uuid '{text}'", domain=ErrorDomain.TEST)
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
        end_registration(self._networks.events, call.session, args.callback_id)


class NetworkLife:
    """Handlers of the life of networks, and of their documents."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._networks = driver.networks

    @serves(p.NETWORK_DEFINE_XML)
    def define(self, call: Call, args: p.NetworkDefineXMLArgs) -> p.NetworkDefineXMLRet:
        return p.NetworkDefineXMLRet(self._define(args.xml, validate=False))

    @serves(p.NETWORK_DEFINE_XML_FLAGS)
    def define_flags(
        self, call: Call, args: p.NetworkDefineXMLFlagsArgs
    ) -> p.NetworkDefineXMLFlagsRet:
        check_flags(call, args.flags, NetworkDefineFlags.VALIDATE)
        return p.NetworkDefineXMLFlagsRet(self._define(args.xml, validate=bool(args.flags)))

    def _define(self, text: str, *, validate: bool) -> NonnullNetwork:
        network = self._networks.admit(parse_network(text, validate=validate), live=False)
        network.persistent = True
        self._networks.tell(network, NetworkEventLifecycleType.DEFINED)
        return network.ref()

    @serves(p.NETWORK_CREATE_XML)
    def create_xml(self, call: Call, args: p.NetworkCreateXMLArgs) -> p.NetworkCreateXMLRet:
        return p.NetworkCreateXMLRet(self._create_xml(args.xml, validate=False))

    @serves(p.NETWORK_CREATE_XML_FLAGS)
    def create_xml_flags(
        self, call: Call, args: p.NetworkCreateXMLFlagsArgs
    ) -> p.NetworkCreateXMLFlagsRet:
        check_flags(call, args.flags, NetworkCreateFlags.VALIDATE)
        return p.NetworkCreateXMLFlagsRet(self._create_xml(args.xml, validate=bool(args.flags)))

    def _create_xml(self, text: str, *, validate: bool) -> NonnullNetwork:
        network = self._networks.admit(parse_network(text, validate=validate), live=True)
        network.active = True
        self._networks.tell(network, NetworkEventLifecycleType.STARTED)
        return network.ref()

    @serves(p.NETWORK_CREATE)
    def create(self, call: Call, args: p.NetworkCreateArgs) -> None:
        network = self._networks.find(args.net)
        if network.active:
            raise OperationInvalid(
                f"Network '{network.name}' is already running", domain=ErrorDomain.TEST
            )
        network.active = True
        self._networks.tell(network, NetworkEventLifecycleType.STARTED)

    @serves(p.NETWORK_DESTROY)
    def destroy(self, call: Call, args: p.NetworkDestroyArgs) -> None:
        """Also of one that is not active."""
        network = self._networks.find(args.net)
        network.active = False
        self._networks.tell(network, NetworkEventLifecycleType.STOPPED)
        if not network.persistent:
            self._networks.all.remove(network)

    @serves(p.NETWORK_UNDEFINE)
    def undefine(self, call: Call, args: p.NetworkUndefineArgs) -> None:
        network = self._networks.find(args.net)
        if network.active:
            raise OperationInvalid(
                f"Network '{network.name}' is still running", domain=ErrorDomain.TEST
            )
        self._networks.all.remove(network)
        self._networks.tell(network, NetworkEventLifecycleType.UNDEFINED)

    @serves(p.NETWORK_IS_ACTIVE)
    def is_active(self, call: Call, args: p.NetworkIsActiveArgs) -> p.NetworkIsActiveRet:
        return p.NetworkIsActiveRet(int(self._networks.find(args.net).active))

    @serves(p.NETWORK_IS_PERSISTENT)
    def is_persistent(
        self, call: Call, args: p.NetworkIsPersistentArgs
    ) -> p.NetworkIsPersistentRet:
        return p.NetworkIsPersistentRet(int(self._networks.find(args.net).persistent))

    @serves(p.NETWORK_GET_AUTOSTART)
    def get_autostart(
        self, call: Call, args: p.NetworkGetAutostartArgs
    ) -> p.NetworkGetAutostartRet:
        return p.NetworkGetAutostartRet(int(self._networks.find(args.net).autostart))

    @serves(p.NETWORK_SET_AUTOSTART)
    def set_autostart(self, call: Call, args: p.NetworkSetAutostartArgs) -> None:
        self._networks.find(args.net).autostart = bool(args.autostart)

    @serves(p.NETWORK_GET_BRIDGE_NAME)
    def bridge_name(
        self, call: Call, args: p.NetworkGetBridgeNameArgs
    ) -> p.NetworkGetBridgeNameRet:
        network = self._networks.find(args.net)
        name = network.current.bridge.name
        if not name:
            raise InternalError(
                f"network '{network.name}' does not have a bridge name.", domain=ErrorDomain.TEST
            )
        return p.NetworkGetBridgeNameRet(name)

    @serves(p.NETWORK_GET_XML_DESC)
    def get_xml_desc(self, call: Call, args: p.NetworkGetXMLDescArgs) -> p.NetworkGetXMLDescRet:
        check_flags(call, args.flags)
        return p.NetworkGetXMLDescRet(format_document(self._networks.find(args.net).current))

    @serves(p.NETWORK_UPDATE)
    def update(self, call: Call, args: p.NetworkUpdateArgs) -> None:
        check_flags(call, args.flags, _LIVE | _CONFIG)
        network = self._networks.find(args.net)
        live, config = _affected(network, args.flags)
        # Both are changed, or neither.
        new_live = _changed(network.current, args) if live else None
        new_config = _changed(network.persistent_document, args) if config else None
        if new_live is not None:
            if network.pending is None and network.persistent:
                network.pending = network.current
            network.current = new_live
        if new_config is not None:
            if network.active:
                network.pending = new_config
            else:
                network.current = new_config


def _affected(network: VirtualNetwork, flags: int) -> tuple[bool, bool]:
    """Whether a change is for the active network, and whether for its configuration."""
    live, config = bool(flags & _LIVE), bool(flags & _CONFIG)
    if not live and not config:
        live, config = network.active, not network.active
    if live and not network.active:
        raise OperationInvalid("network is not running", domain=ErrorDomain.NETWORK)
    if config and not network.persistent:
        raise OperationInvalid(
            "cannot change persistent config of a transient network", domain=ErrorDomain.NETWORK
        )
    return live, config


def _changed(model: Network, args: p.NetworkUpdateArgs) -> Network:
    copy = model.copy()
    update(copy, args.command, args.section, args.parent_index, args.xml)
    return copy
