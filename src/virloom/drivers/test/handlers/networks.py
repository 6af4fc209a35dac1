# SPDX-License-Identifier: Apache-2.0
"""Virtual networks."""

from __future__ import annotations

from virloom.drivers.network import listing
from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.updates.update import update
from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.callbacks import end_registration
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.network import VirtualNetwork
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.network import (
    NetworkCreateFlags,
    NetworkDefineFlags,
    NetworkEventLifecycleType,
    NetworkUpdateFlags,
)
from virloom.errors import InternalError, OperationInvalid
from virloom.model.network import Network
from virloom.procedures import network as p
from virloom.procedures.types import NonnullNetwork
from virloom.xml import format_document

_LIVE, _CONFIG = int(NetworkUpdateFlags.LIVE), int(NetworkUpdateFlags.CONFIG)


class NetworkListing(listing.NetworkListing[VirtualNetwork]):
    """Handlers that list and look up networks, and of their events."""

    def __init__(self, driver: InMemoryDriver) -> None:
        super().__init__(driver.networks, ErrorDomain.TEST)

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
