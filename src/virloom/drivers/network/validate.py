# SPDX-License-Identifier: Apache-2.0
"""What a host refuses of a network's document that says what it means, with libvirt's codes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_address, ip_interface

from virloom.drivers.network.checks import prefix_of
from virloom.drivers.network.clashes import clashes
from virloom.drivers.network.completion import forward_mode
from virloom.drivers.network.naming import has_own_bridge
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlError
from virloom.model.network import Network
from virloom.model.network.network import NetworkIp, PortGroup
from virloom.model.network.traffic import Bandwidth, VirtualPort
from virloom.xml.kinds import parse_base0

#: Modes in which ports may have a VLAN of their own whatever the kind of switch.
_TAGS = ("hostdev", "passthrough")


def validate_network(
    model: Network, is_virtual: Callable[[str], bool], former: Network | None = None
) -> None:
    """Refuses a network that could not be started as it is described.

    Args:
        is_virtual: Whether the host's PCI device of that address is a virtual function.
        former: What it is made of; what was wrong there may stay so.

    Raises:
        ConfigUnsupported: With the part that nobody serves.
        XmlError: Two parts clash, or one is taken for something else.
    """
    known = set(clashes(former)) if former is not None else set()
    for clash in clashes(model):
        if clash not in known:
            raise XmlError(f"network '{model.name}': {clash}", domain=ErrorDomain.NETWORK)
    if former is not None:
        return  # a part of it was changed, and has been checked by itself
    if not has_own_bridge(model):
        _check_foreign(model)
    _check_functions(model, is_virtual)
    _check_dhcp(model)
    _check_portgroups(model)
    _check_vlans(model)
    _check_floors(model)
    _check_routes(model)


def _unsupported(model: Network, what: str) -> ConfigUnsupported:
    return ConfigUnsupported(f"network '{model.name}': {what}", domain=ErrorDomain.NETWORK)


def _check_foreign(model: Network) -> None:
    """A switch that is somebody else's has no address of ours and no services."""
    mode = forward_mode(model)
    for there, what in (
        (model.mac.address is not None, "<mac>"),
        (bool(model.ips), "<ip>"),
        (model.domain.name is not None, "<domain>"),
        (model.bandwidth is not None and mode != "bridge", "<bandwidth>"),
        (
            mode == "hostdev" and model.forward is not None and bool(model.forward.interfaces),
            "<interface>",
        ),
    ):
        if there:
            raise _unsupported(model, f"{what} cannot be had with forward mode '{mode}'")


def _check_functions(model: Network, is_virtual: Callable[[str], bool]) -> None:
    """Only a virtual function becomes a guest's without taking the host's card away."""
    for address in model.forward.addresses if model.forward is not None else ():
        parts = (address.domain, address.bus, address.slot, address.function)
        domain, bus, slot, function = (parse_base0(part or "0") for part in parts)
        name = f"{domain:04x}:{bus:02x}:{slot:02x}.{function}"
        if not is_virtual(name):
            raise _unsupported(model, f"device '{name}' is not an SR-IOV virtual function")


def _check_dhcp(model: Network) -> None:
    """DHCP gives out addresses of one subnet of each family."""
    for version in (4, 6):
        having = [ip for ip in model.ips if ip.dhcp is not None and _version(ip) == version]
        if len(having) > 1:
            raise _unsupported(
                model, f"DHCP is for one IPv{version} address, and {len(having)} have it"
            )


def _version(ip: NetworkIp) -> int:
    return 6 if ":" in (ip.address or "") else 4


def _check_portgroups(model: Network) -> None:
    seen: set[str | None] = set()
    for group in model.portgroups:
        if group.name in seen:
            raise _unsupported(model, f"two port groups have the name '{group.name}'")
        seen.add(group.name)
    default = [group.name for group in model.portgroups if group.default]
    if len(default) > 1:
        raise _unsupported(model, f"the port groups {default} are both the default one")


def _check_vlans(model: Network) -> None:
    if model.vlan is not None and not _has_tags(model, model.virtualport):
        raise _unsupported(model, "this kind of network has no VLANs")
    for group in model.portgroups:
        _check_group(model, group)


def _check_group(model: Network, group: PortGroup) -> None:
    port = group.virtualport or model.virtualport
    if group.vlan is not None and not _has_tags(model, port):
        raise _unsupported(model, f"port group '{group.name}' has a VLAN, which ports cannot have")


def _has_tags(model: Network, port: VirtualPort | None) -> bool:
    """Whether the switch tags frames of a port; one that knows no trunk says so to each guest."""
    mode = forward_mode(model)
    if mode == "bridge" and port is not None and port.type == "openvswitch":
        return True
    return mode in _TAGS


def _check_floors(model: Network) -> None:
    """A guaranteed rate is what ports ask for, not a network."""
    for bandwidth in _bandwidths(model):
        if bandwidth.inbound is not None and bandwidth.inbound.floor:
            raise ConfigUnsupported(
                f"network '{model.name}': a floor is for interfaces of guests",
                domain=ErrorDomain.NONE,
            )


def _bandwidths(model: Network) -> Iterator[Bandwidth]:
    if model.bandwidth is not None:
        yield model.bandwidth
    for group in model.portgroups:
        if group.bandwidth is not None:
            yield group.bandwidth


def _check_routes(model: Network) -> None:
    """The gateway of a route is a machine in the network."""
    subnets = [ip_interface(f"{ip.address}/{prefix_of(ip)}").network for ip in model.ips]
    for route in model.routes:
        gateway = ip_address(route.gateway or "")
        if not any(gateway in subnet for subnet in subnets):
            raise _unsupported(
                model, f"the gateway '{route.gateway}' of a static route is not reached"
            )
