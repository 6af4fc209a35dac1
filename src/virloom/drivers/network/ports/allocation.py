# SPDX-License-Identifier: Apache-2.0
"""What a port gets: how it is connected, and what it takes over of its group and its network.

==============================  =========================================================
network                         plug
==============================  =========================================================
isolated, nat, route, open      ``network``: the network's own bridge
bridge, with a bridge           ``bridge``: that bridge, whoever's it is
bridge (with devices),          ``direct``: the device with the fewest connections; one
private, vepa, passthrough      that nobody else has for passthrough
hostdev                         ``hostdev-pci``: a function that nobody else has
==============================  =========================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from virloom.drivers.network.completion import OWN_BRIDGE, forward_mode
from virloom.drivers.network.ports.inheritance import inherit
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, InvalidArg
from virloom.model.network import Network
from virloom.model.network.network import Forward, ForwardAddress
from virloom.model.network.port import NetworkPort, Plug
from virloom.model.network.traffic import PciAddress, VirtualPort

_DOMAIN = ErrorDomain.NETWORK
#: Kinds of switches behind a bridge's name that know virtual ports.
_SWITCHES = ("openvswitch", "midonet")
#: Kinds behind a card, and behind a function of one.
_CARDS, _FUNCTIONS = ("802.1Qbg", "802.1Qbh"), ("802.1Qbh",)


def allocate(network: Network, port: NetworkPort, others: Iterable[NetworkPort]) -> None:
    """Fills the port in, in place.

    Args:
        network: The live document.
        others: The ports that the network has already.

    Raises:
        ConfigUnsupported: The port asks for what this network's switch has not.
        InternalError: All devices are taken (libvirt's code for it).
        XmlError: What the port, its group and the network say of it is contradictory.
    """
    inherit(network, port)
    mode = forward_mode(network)
    if mode in OWN_BRIDGE:
        _check_switch(network, port, (), "IP forwarding")
        port.plug = _bridge_plug("network", network)
    elif mode == "hostdev":
        _check_switch(network, port, _FUNCTIONS, "an SR-IOV Virtual Function via PCI passthrough")
        port.plug = _function(network, others)
    elif mode == "bridge" and network.bridge.name:
        _check_switch(network, port, _SWITCHES, "a bridge device")
        port.plug = _bridge_plug("bridge", network)
    else:
        _check_switch(network, port, _CARDS, "a macvtap device")
        port.plug = _device(network, port, others)


def reclaim(network: Network, port: NetworkPort, others: Iterable[NetworkPort]) -> None:
    """Checks that the port can have what its document says that it has already.

    Raises:
        InvalidArg: It says nothing.
        InternalError: The network has no such device, or another port has it.
    """
    kind = port.plug.type
    if kind in (None, "none"):
        raise InvalidArg("Port reclaim requested but plug type is none", domain=_DOMAIN)
    if kind in ("network", "bridge"):
        if not network.bridge.name:
            raise InternalError(f"network '{network.name}' has no bridge", domain=_DOMAIN)
    elif kind == "direct":
        _reclaim_device(network, port, others)
    else:
        _reclaim_function(network, port, others)


def _bridge_plug(kind: str, network: Network) -> Plug:
    return Plug(
        type=kind,
        bridge=network.bridge.name,
        mac_table_manager=network.bridge.mac_table_manager,
    )


def _check_switch(network: Network, port: NetworkPort, known: tuple[str, ...], by: str) -> None:
    asked: VirtualPort | None = port.virtualport
    if asked is not None and asked.type not in known:
        kind = asked.type or "none"
        raise ConfigUnsupported(
            f"<virtualport type='{kind}'> not supported for network '{network.name}' which "
            f"uses {by}",
            domain=_DOMAIN,
        )


def _devices(network: Network) -> list[str]:
    """The cards of a network that has no bridge.

    Raises:
        InternalError: There are none.
    """
    forward = network.forward or Forward()
    devices = [one.dev for one in forward.interfaces if one.dev]
    if not devices and forward.dev:
        devices = [forward.dev]
    if not devices:
        raise InternalError(
            f"network '{network.name}' uses a direct mode, but has no forward dev and no "
            "interface pool",
            domain=_DOMAIN,
        )
    return devices


def _is_exclusive(mode: str | None, port: NetworkPort) -> bool:
    """Whether no other port may have the same card."""
    switch = port.virtualport.type if port.virtualport is not None else None
    return mode == "passthrough" or (mode == "private" and switch == "802.1Qbh")


def _device(network: Network, port: NetworkPort, others: Iterable[NetworkPort]) -> Plug:
    mode, devices = forward_mode(network), _devices(network)
    used = Counter(other.plug.dev for other in others)
    free = [dev for dev in devices if not used[dev]] if _is_exclusive(mode, port) else devices
    if not free:
        raise _exhausted(network)
    return Plug(type="direct", dev=min(free, key=lambda dev: used[dev]), mode=mode)


def _reclaim_device(network: Network, port: NetworkPort, others: Iterable[NetworkPort]) -> None:
    device = port.plug.dev
    if device not in _devices(network):
        raise InternalError(
            f"network '{network.name}' doesn't have dev='{device}' in use by network port "
            f"'{port.uuid}'",
            domain=_DOMAIN,
        )
    if _is_exclusive(forward_mode(network), port) and any(o.plug.dev == device for o in others):
        raise InternalError(
            f"network '{network.name}' claims dev='{device}' is already in use by a different port",
            domain=_DOMAIN,
        )


def _exhausted(network: Network) -> InternalError:
    return InternalError(
        f"network '{network.name}' requires exclusive access to interfaces, but none are available",
        domain=_DOMAIN,
    )


def _taken(others: Iterable[NetworkPort]) -> set[tuple[int, ...]]:
    return {place(other.plug.address) for other in others if other.plug.type == "hostdev-pci"}


def _function(network: Network, others: Iterable[NetworkPort]) -> Plug:
    forward, taken = network.forward or Forward(), _taken(others)
    for function in forward.addresses:
        if place(function) not in taken:
            plug = Plug(type="hostdev-pci", managed=bool(forward.managed), driver=forward.driver)
            plug.address = _address(function)
            return plug
    raise _exhausted(network)


def _reclaim_function(network: Network, port: NetworkPort, others: Iterable[NetworkPort]) -> None:
    forward, wanted = network.forward or Forward(), place(port.plug.address)
    name = "{:04x}:{:02x}:{:02x}.{:x}".format(*wanted)
    if all(place(function) != wanted for function in forward.addresses):
        raise InternalError(
            f"network '{network.name}' doesn't have PCI device {name} in use by network port "
            f"'{port.uuid}'",
            domain=_DOMAIN,
        )
    if wanted in _taken(others):
        raise InternalError(
            f"network '{network.name}' claims PCI device {name} is already in use by a different "
            "port",
            domain=_DOMAIN,
        )


def place(address: PciAddress) -> tuple[int, ...]:
    """What tells a function of a card from others, however its address is written."""
    parts = (address.domain, address.bus, address.slot, address.function)
    return tuple(int(part or "0", 16) for part in parts)


def place_of(port: NetworkPort) -> tuple[int, ...] | None:
    """The same of the function that a port has; None where it has none."""
    return place(port.plug.address) if port.plug.type == "hostdev-pci" else None


def _address(function: ForwardAddress) -> PciAddress:
    return PciAddress(
        domain=function.domain, bus=function.bus, slot=function.slot, function=function.function
    )
