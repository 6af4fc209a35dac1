# SPDX-License-Identifier: Apache-2.0
"""Whether the host can route a network: its subnets are nobody else's, and it passes packets on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import NamedTuple

from virloom.drivers.network.completion import forward_mode
from virloom.drivers.network.host import NetworkHost
from virloom.drivers.network.links.bridge import addresses_of, target_of
from virloom.errors import InternalError
from virloom.model.network import Network

#: Modes in which packets pass from one link of the host to another.
_ROUTED = ("nat", "route", "open")

_Subnet = IPv4Network | IPv6Network


class Route(NamedTuple):
    """A subnet that the host reaches already, and by which link."""

    subnet: _Subnet
    link: str


def routes(host: NetworkHost, model: Network) -> list[Route]:
    """The routes in the host's main tables to subnets of a network, or behind its static routes.

    A host may have tens of thousands: nothing is made of those that lead elsewhere.
    """
    wanted = set(_subnets(model))
    found = list(ipv4_routes(host.routes(), (it for it in wanted if isinstance(it, IPv4Network))))
    six = {
        (it.network_address.packed, it.prefixlen): it
        for it in wanted
        if isinstance(it, IPv6Network)
    }
    for subnet, length, link in host.routes6() if six else ():
        meant = six.get((subnet, length))
        if meant is not None and (name := host.link_name(link)) is not None:
            found.append(Route(meant, name))
    return found


def _subnets(model: Network) -> list[_Subnet]:
    """Those that the network has, and those that its static routes lead to."""
    return [
        *(address.network for address in addresses_of(model)),
        *(target_of(route) for route in model.routes),
    ]


def ipv4_routes(lines: Iterable[str], wanted: Iterable[IPv4Network]) -> Iterator[Route]:
    """The routes of ``/proc/net/route`` to certain subnets, but for those that lead to no link.

    Args:
        lines: With their heading. The first field is the link, the second the subnet and the
            eighth its mask, as the numbers that this machine sees in the bytes of an address.
        wanted: The subnets; a default route is none.
    """
    meant = {
        (_number(subnet.network_address), _number(subnet.netmask)): subnet
        for subnet in wanted
        if subnet.prefixlen
    }
    for line in lines:
        words = line.split()
        if len(words) >= 8 and words[0] != "*" and (words[1], words[7]) in meant:
            yield Route(meant[words[1], words[7]], words[0])


def _number(address: IPv4Address) -> str:
    return f"{int.from_bytes(address.packed, sys.byteorder):08X}"


def check_collisions(model: Network, known: Iterable[Route]) -> None:
    """Refuses a network whose subnet the host reaches elsewhere: guests would take it over.

    So would its static routes what is behind them.

    Raises:
        InternalError: With the link (libvirt's code and domain for it).
    """
    subnets = [address.network for address in addresses_of(model)]
    behind = [target_of(route) for route in model.routes]
    for route in known:
        if route.link == model.bridge.name:
            continue
        if route.subnet in subnets:
            raise InternalError(
                f"Network is already in use by interface {route.link}: network '{model.name}' "
                f"has its subnet {route.subnet}"
            )
        if route.subnet in behind:
            raise InternalError(
                f"Route address '{route.subnet}' conflicts with IP address for '{route.link}'"
            )


def check_advertised(host: NetworkHost, model: Network) -> None:
    """Refuses to have the host pass IPv6 on where it would lose its own way out by that.

    A kernel that passes packets on believes no router, and forgets what it has learnt from one,
    unless the link's ``accept_ra`` is 2.

    Raises:
        InternalError: With the link (libvirt's code for it).
    """
    if forward_mode(model) not in _ROUTED or host.parameter(_FORWARDING[6]) == "1":
        return
    if not any(address.version == 6 for address in addresses_of(model)):
        return
    for link in sorted(host.advertised() - {model.bridge.name or ""}):
        if host.parameter(f"ipv6/conf/{link}/accept_ra") != "2":
            raise InternalError(
                f"network '{model.name}' needs IPv6 forwarding, by which the host would lose the "
                f"routes that it has from routers on '{link}'",
                remedy=f"sysctl net.ipv6.conf.{link}.accept_ra=2",
            )


def enable_forwarding(host: NetworkHost, model: Network) -> dict[str, str]:
    """Has the host pass packets on where the network needs it, and never turns that off again.

    Others may have come to rely on it by then.

    Returns:
        The parameters that were changed, with what they had been.

    Raises:
        SystemFailure: The kernel would not.
    """
    if forward_mode(model) not in _ROUTED:
        return {}
    versions = {address.version for address in addresses_of(model)}
    wanted = [name for version, name in _FORWARDING.items() if version in versions]
    former = {name: host.parameter(name) or "" for name in wanted}
    for name in wanted:
        host.set_parameter(name, "1")
    return {name: value for name, value in former.items() if value != "1"}


_FORWARDING = {4: "ipv4/ip_forward", 6: "ipv6/conf/all/forwarding"}
