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
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError
from virloom.model.network import Network
from virloom.model.network.network import Forward, ForwardAddress, PortGroup
from virloom.model.network.port import NetworkPort, Plug
from virloom.model.network.traffic import PciAddress, VirtualPort

_DOMAIN = ErrorDomain.NETWORK
#: Kinds of switches behind a bridge's name that know virtual ports.
_SWITCHES = ("openvswitch", "midonet")
#: Plugs whose VLANs the host's card does by itself.
_TAGGING = ("passthrough", "hostdev-pci")


def allocate(network: Network, port: NetworkPort, others: Iterable[NetworkPort]) -> None:
    """Fills the port in, in place.

    Args:
        network: The live document.
        others: The ports that the network has already.

    Raises:
        ConfigUnsupported: The port asks for what this network's switch has not.
        InternalError: All devices are taken (libvirt's code for it).
    """
    group = group_of(network, port.group_name)
    _inherit(network, port, group)
    mode = forward_mode(network)
    if mode in OWN_BRIDGE:
        _check_bridge_port(network, port, ())
        port.plug = _bridge_plug("network", network)
    elif mode == "hostdev":
        port.plug = _function(network, others)
    elif mode == "bridge" and network.bridge.name:
        _check_bridge_port(network, port, _SWITCHES)
        port.plug = _bridge_plug("bridge", network)
    else:
        port.plug = _device(network, mode or "", others)
    _check_vlan(network, port, mode)


def group_of(network: Network, name: str | None) -> PortGroup | None:
    """The class of ports of that name; the usual one without a name, if there is one."""
    for group in network.portgroups:
        if (name is None and group.default) or (name is not None and group.name == name):
            return group
    return None


def _inherit(network: Network, port: NetworkPort, group: PortGroup | None) -> None:
    """What the port leaves open its group says, and then the network."""
    if port.bandwidth is None and group is not None:
        port.bandwidth = group.bandwidth
    for level in (group, network):
        if level is None:
            continue
        if port.vlan is None:
            port.vlan = level.vlan
        if port.virtualport is None:
            port.virtualport = level.virtualport
        if port.rxfilters.trust_guest is None:
            port.rxfilters.trust_guest = level.trust_guest_rx_filters
    if port.port.isolated is None:
        port.port.isolated = network.port.isolated


def _bridge_plug(kind: str, network: Network) -> Plug:
    return Plug(
        type=kind,
        bridge=network.bridge.name,
        mac_table_manager=network.bridge.mac_table_manager,
    )


def _check_bridge_port(network: Network, port: NetworkPort, known: tuple[str, ...]) -> None:
    asked: VirtualPort | None = port.virtualport
    if asked is not None and asked.type not in known:
        raise ConfigUnsupported(
            f"<virtualport type='{asked.type}'> not supported for network '{network.name}' which "
            "uses a bridge device",
            domain=_DOMAIN,
        )


def _device(network: Network, mode: str, others: Iterable[NetworkPort]) -> Plug:
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
    used = Counter(other.plug.dev for other in others)
    free = [dev for dev in devices if not used[dev]] if mode == "passthrough" else devices
    if not free:
        raise InternalError(
            f"network '{network.name}' requires exclusive access to interfaces, but none are "
            "available",
            domain=_DOMAIN,
        )
    chosen = min(free, key=lambda dev: used[dev])
    return Plug(type="direct", dev=chosen, mode=mode)


def _function(network: Network, others: Iterable[NetworkPort]) -> Plug:
    forward = network.forward or Forward()
    taken = {_place(other.plug.address) for other in others if other.plug.type == "hostdev-pci"}
    for function in forward.addresses:
        if _place(function) not in taken:
            plug = Plug(type="hostdev-pci", managed=bool(forward.managed), driver=forward.driver)
            plug.address = _address(function)
            return plug
    raise InternalError(
        f"network '{network.name}' requires exclusive access to interfaces, but none are available",
        domain=_DOMAIN,
    )


def _place(address: PciAddress) -> tuple[int, ...]:
    parts = (address.domain, address.bus, address.slot, address.function)
    return tuple(int(part or "0", 16) for part in parts)


def _address(function: ForwardAddress) -> PciAddress:
    return PciAddress(
        domain=function.domain, bus=function.bus, slot=function.slot, function=function.function
    )


def _check_vlan(network: Network, port: NetworkPort, mode: str | None) -> None:
    if port.vlan is None or not port.vlan.tags:
        return
    switch = port.virtualport.type if port.virtualport is not None else None
    if mode in ("passthrough", "hostdev") or port.plug.type in _TAGGING:
        return
    if switch in ("openvswitch", "802.1Qbh"):
        return
    raise ConfigUnsupported(
        f"an interface connecting to network '{network.name}' is requesting a vlan tag, but that "
        "is not supported for this type of network",
        domain=_DOMAIN,
    )
