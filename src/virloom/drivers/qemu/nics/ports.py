# SPDX-License-Identifier: Apache-2.0
"""The ports that a guest's cards have of virtual networks, asked of the network driver.

A file beside the guest's record lists them before they are asked for, and goes when all are given
back: whatever kill comes between, the next driver gives back what no guest has any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from virloom.drivers.qemu.devices.passed import is_function
from virloom.drivers.qemu.nics.held import ports_of
from virloom.endpoint.endpoint import Endpoint
from virloom.enums.error import ErrorDomain
from virloom.enums.network import NetworkPortCreateFlags
from virloom.errors import ConfigUnsupported, NoNetworkPort
from virloom.model.domain import Address, Interface
from virloom.model.domain import VirtualPort as CardVirtualPort
from virloom.model.domain.devices.interface_parts import Bandwidth as CardBandwidth
from virloom.model.domain.devices.interface_parts import (
    VirtualPortParameters as CardVirtualPortParameters,
)
from virloom.model.network.port import NetworkPort, Plug
from virloom.model.network.traffic import (
    Bandwidth,
    DriverName,
    PciAddress,
    VirtualPort,
    VirtualPortParameters,
)
from virloom.procedures import network as p
from virloom.procedures.types import NonnullNetwork, TypedParam
from virloom.xml import format_document, parse_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

_PARAMETERS = ("managerid", "typeid", "typeidversion", "instanceid", "interfaceid", "profileid")


async def take_ports(
    driver: QemuDriver, name: str, uuid: str, interfaces: Iterable[Interface]
) -> dict[str, NetworkPort]:
    """Gets a port for each interface on a virtual network, and notes in it how it is connected.

    Args:
        name, uuid: Of the guest.

    Returns:
        The ports, by the hardware address of their interface.

    Raises:
        NoSupport: There is no network driver.
        VirloomError: There is no such network, it is not active, or it has nothing left.
    """
    wanted = [interface for interface in interfaces if interface.type == "network"]
    taken: dict[str, NetworkPort] = {}
    if not wanted:
        return taken
    listed = ports_of(driver, name)
    async with driver.networks.used() as networks:
        for interface in wanted:
            asked = p.NetworkLookupByNameArgs(interface.source.network or "")
            network = (await networks.call(p.NETWORK_LOOKUP_BY_NAME, asked)).net
            port = _asked(name, uuid, interface)
            listed.add(port.uuid or "", str(UUID(bytes=network.uuid)))
            got = await _make(networks, network, port)
            _note(interface, got)
            _require_served(interface, got)
            taken[interface.mac.address or ""] = got
    return taken


async def _make(
    networks: Endpoint, network: NonnullNetwork, port: NetworkPort, flags: int = 0
) -> NetworkPort:
    """The port as it was given."""
    args = p.NetworkPortCreateXMLArgs(network, format_document(port), flags)
    return await _told(networks, (await networks.call(p.NETWORK_PORT_CREATE_XML, args)).port)


async def _told(networks: Endpoint, port: p.NonnullNetworkPort) -> NetworkPort:
    told = await networks.call(p.NETWORK_PORT_GET_XML_DESC, p.NetworkPortGetXMLDescArgs(port, 0))
    return parse_document(NetworkPort, told.xml)


async def port_again(
    driver: QemuDriver, networks: Endpoint, name: str, uuid: str, interface: Interface
) -> tuple[NetworkPort, bool]:
    """The port that a card of a running guest has; the same one anew where its network lost it.

    A link of the host's is claimed, since the card is on it; of a bridge the network may have
    another one by now.

    Args:
        name, uuid: Of the guest.

    Returns:
        The port, and whether the network had lost it.

    Raises:
        VirloomError: As :func:`take_ports`.
    """
    asked = p.NetworkLookupByNameArgs(interface.source.network or "")
    network = (await networks.call(p.NETWORK_LOOKUP_BY_NAME, asked)).net
    known = UUID(interface.source.portid or "").bytes
    try:
        wanted = p.NetworkPortLookupByUUIDArgs(network, known)
        found = await networks.call(p.NETWORK_PORT_LOOKUP_BY_UUID, wanted)
        return await _told(networks, found.port), False
    except NoNetworkPort:
        port, flags = _asked(name, uuid, interface), 0
    port.uuid = interface.source.portid
    if interface.type == "direct":
        source, flags = interface.source, int(NetworkPortCreateFlags.RECLAIM)
        port.plug = Plug(type="direct", dev=source.dev, mode=source.mode)
    elif is_function(interface):
        flags = int(NetworkPortCreateFlags.RECLAIM)
        port.plug = _plug_of(interface)
    ports_of(driver, name).add(port.uuid or "", str(UUID(bytes=network.uuid)))
    given = await _make(networks, network, port, flags)
    _note(interface, given)
    return given, True


def _plug_of(interface: Interface) -> Plug:
    """What a card has that is a virtual function."""
    place = interface.source.host_address or Address()
    plug = Plug(type="hostdev-pci", managed=bool(interface.managed))
    plug.driver = DriverName(name=interface.driver.name)
    plug.address = PciAddress(
        domain=f"{place.domain or 0:#06x}",
        bus=f"{place.bus or 0:#04x}",
        slot=f"{place.slot or 0:#04x}",
        function=f"{place.function or 0:#x}",
    )
    return plug


def _asked(name: str, uuid: str, interface: Interface) -> NetworkPort:
    """What is asked for an interface: in the port's own words what its document says."""
    port = NetworkPort(uuid=str(uuid4()), group_name=interface.source.portgroup)
    port.owner.name, port.owner.uuid = name, uuid
    port.mac.address = interface.mac.address
    port.port.isolated = interface.port.isolated
    port.rxfilters.trust_guest = interface.trust_guest_rx_filters
    port.vlan = interface.vlan
    if interface.virtualport is not None:
        port.virtualport = _to_port(interface.virtualport)
    if interface.bandwidth is not None:
        given = interface.bandwidth
        port.bandwidth = Bandwidth(inbound=given.inbound, outbound=given.outbound)
    port.plug = Plug()
    return port


def _note(interface: Interface, port: NetworkPort) -> None:
    """What the live document says of it; as in libvirt, also by its type if it is another."""
    interface.source.portid = port.uuid
    interface.source.bridge = port.plug.bridge
    interface.source.dev = port.plug.dev
    interface.source.mode = port.plug.mode
    interface.port.isolated = port.port.isolated
    interface.trust_guest_rx_filters = port.rxfilters.trust_guest
    interface.vlan = port.vlan
    interface.bandwidth = _limits(port)
    if port.virtualport is not None:
        interface.virtualport = _to_card(port.virtualport)
    if port.plug.type in ("bridge", "direct"):
        interface.type = port.plug.type
    elif port.plug.type == "hostdev-pci":
        _note_function(interface, port.plug)


def _limits(port: NetworkPort) -> CardBandwidth | None:
    """The card's own, or those of the port's group; their class is the network's affair."""
    given = port.bandwidth
    if given is None or not (given.inbound or given.outbound):
        return None
    return CardBandwidth(inbound=given.inbound, outbound=given.outbound)


def _note_function(interface: Interface, plug: Plug) -> None:
    place = plug.address
    parts = (int(part or "0", 16) for part in (place.domain, place.bus, place.slot, place.function))
    address = Address(type="pci")
    address.domain, address.bus, address.slot, address.function = parts
    interface.type, interface.managed = "hostdev", plug.managed or None
    interface.driver.name = plug.driver.name
    interface.source.host_address = address


def _to_port(asked: CardVirtualPort) -> VirtualPort:
    parameters = VirtualPortParameters(**_parameters(asked.parameters))
    return VirtualPort(type=asked.type if asked.type != "none" else None, parameters=parameters)


def _to_card(given: VirtualPort) -> CardVirtualPort:
    parameters = CardVirtualPortParameters(**_parameters(given.parameters))
    return CardVirtualPort(type=given.type, parameters=parameters)


def _parameters(
    given: VirtualPortParameters | CardVirtualPortParameters,
) -> dict[str, Any]:
    values = {name: getattr(given, name) for name in _PARAMETERS}
    return {name: value for name, value in values.items() if value is not None}


def _require_served(interface: Interface, port: NetworkPort) -> None:
    if port.plug.type not in ("network", "bridge", "direct", "hostdev-pci"):
        raise ConfigUnsupported(
            f"network '{interface.source.network}' gives the card a plug of type "
            f"'{port.plug.type}', which nothing here serves",
            domain=ErrorDomain.QEMU,
        )


async def set_port_limits(
    driver: QemuDriver, interface: Interface, limits: list[TypedParam]
) -> None:
    """Has the port of a card that has one be limited, or sure of a rate.

    Args:
        limits: As a client names them.

    Raises:
        OperationUnsupported: Its network cannot make it sure of a rate.
        VirloomError: The network driver cannot be reached, or would not.
    """
    if interface.source.portid is None:
        return
    async with driver.networks.used() as networks:
        asked = p.NetworkLookupByNameArgs(interface.source.network or "")
        network = (await networks.call(p.NETWORK_LOOKUP_BY_NAME, asked)).net
        port = p.NonnullNetworkPort(network, UUID(interface.source.portid).bytes)
        await networks.call(
            p.NETWORK_PORT_SET_PARAMETERS, p.NetworkPortSetParametersArgs(port, limits, 0)
        )


async def give_back(driver: QemuDriver, name: str, only: str | None = None) -> None:
    """Gives the guest's ports back; one that cannot be stays on the list.

    Args:
        only: The UUID of the one that is meant; None means all.

    Raises:
        VirloomError: The network driver cannot be reached.
    """
    await ports_of(driver, name).give_back(driver.networks.used, _delete, only)


async def _delete(networks: Endpoint, port: str, network: str) -> None:
    ref = p.NonnullNetworkPort(NonnullNetwork("", UUID(network).bytes), UUID(port).bytes)
    await networks.call(p.NETWORK_PORT_DELETE, p.NetworkPortDeleteArgs(ref, 0))
