# SPDX-License-Identifier: Apache-2.0
"""Ports: made when a guest's interface is connected, deleted when it leaves."""

from __future__ import annotations

from uuid import UUID

from virloom.drivers.network.driver import NetworkDriver
from virloom.drivers.network.handlers.arguments import check_flags
from virloom.drivers.network.network import VirtualNetwork
from virloom.drivers.network.ports.document import parse_port
from virloom.drivers.runtime import bandwidth
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.network import NetworkPortCreateFlags
from virloom.errors import NoNetworkPort, OperationInvalid
from virloom.model.network.port import NetworkPort
from virloom.procedures import network as p
from virloom.procedures.network import NonnullNetworkPort
from virloom.procedures.record import typed_value
from virloom.procedures.types import TypedParam
from virloom.xml import format_document

#: ``VIR_TYPED_PARAM_STRING_OKAY``
_STRING_OKAY = 4


class Ports:
    """Handlers of ports."""

    def __init__(self, driver: NetworkDriver) -> None:
        self._driver = driver

    @serves(p.NETWORK_LIST_ALL_PORTS)
    def list_all(self, call: Call, args: p.NetworkListAllPortsArgs) -> p.NetworkListAllPortsRet:
        check_flags(args.flags, 0, "networkListAllPorts")
        network = self._driver.find(args.network)
        if not network.active:
            raise OperationInvalid(
                f"network '{network.name}' is not active", domain=ErrorDomain.NETWORK
            )
        found = [_ref(network, port) for port in network.ports.values()]
        return p.NetworkListAllPortsRet(found if args.need_results else [], len(found))

    @serves(p.NETWORK_PORT_LOOKUP_BY_UUID)
    def lookup(
        self, call: Call, args: p.NetworkPortLookupByUUIDArgs
    ) -> p.NetworkPortLookupByUUIDRet:
        network = self._driver.find(args.network)
        return p.NetworkPortLookupByUUIDRet(_ref(network, _port(network, args.uuid)))

    @serves(p.NETWORK_PORT_CREATE_XML)
    async def create(
        self, call: Call, args: p.NetworkPortCreateXMLArgs
    ) -> p.NetworkPortCreateXMLRet:
        check_flags(args.flags, sum(NetworkPortCreateFlags), "networkPortCreateXML")
        network = self._driver.find(args.network)
        validate = bool(args.flags & NetworkPortCreateFlags.VALIDATE)
        port = parse_port(args.xml, validate=validate)
        reclaim = bool(args.flags & NetworkPortCreateFlags.RECLAIM)
        await self._driver.life.add_port(network, port, reclaim=reclaim)
        return p.NetworkPortCreateXMLRet(_ref(network, port))

    @serves(p.NETWORK_PORT_GET_XML_DESC)
    def document(self, call: Call, args: p.NetworkPortGetXMLDescArgs) -> p.NetworkPortGetXMLDescRet:
        check_flags(args.flags, 0, "networkPortGetXMLDesc")
        _, port = self._find(args.port)
        return p.NetworkPortGetXMLDescRet(format_document(port))

    @serves(p.NETWORK_PORT_GET_PARAMETERS)
    def get_parameters(
        self, call: Call, args: p.NetworkPortGetParametersArgs
    ) -> p.NetworkPortGetParametersRet:
        check_flags(args.flags, _STRING_OKAY, "networkPortGetParameters")
        _, port = self._find(args.port)
        # Clients of libvirt leave no room, and want all of each direction that is limited.
        found = [
            TypedParam(name, typed_value("uint", value))
            for name, value in bandwidth.limits_of(port).items()
            if getattr(port.bandwidth, name.partition(".")[0], None) is not None
        ]
        return p.NetworkPortGetParametersRet(found, len(found))

    @serves(p.NETWORK_PORT_SET_PARAMETERS)
    async def set_parameters(self, call: Call, args: p.NetworkPortSetParametersArgs) -> None:
        check_flags(args.flags, 0, "networkPortSetParameters")
        network, port = self._find(args.port)
        values = bandwidth.KINDS.check(args.params)
        await self._driver.life.change_port(
            network, port, lambda draft: bandwidth.set_port_limits(draft, values)
        )

    @serves(p.NETWORK_PORT_DELETE)
    async def delete(self, call: Call, args: p.NetworkPortDeleteArgs) -> None:
        check_flags(args.flags, 0, "networkPortDelete")
        network, port = self._find(args.port)
        await self._driver.life.remove_port(network, port)

    def _find(self, ref: NonnullNetworkPort) -> tuple[VirtualNetwork, NetworkPort]:
        network = self._driver.find(ref.net)
        return network, _port(network, ref.uuid)


def _port(network: VirtualNetwork, uuid: bytes) -> NetworkPort:
    port = network.ports.get(str(UUID(bytes=uuid)))
    if port is None:
        raise NoNetworkPort(
            f"network '{network.name}' has no port {UUID(bytes=uuid)}", domain=ErrorDomain.NETWORK
        )
    return port


def _ref(network: VirtualNetwork, port: NetworkPort) -> NonnullNetworkPort:
    return NonnullNetworkPort(network.ref(), UUID(port.uuid).bytes)
