# SPDX-License-Identifier: Apache-2.0
"""Whether the host can route a network: its subnets are nobody else's, and it passes packets on."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
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


async def routes(host: NetworkHost, model: Network) -> list[Route]:
    """The subnets in the host's main table of routes, the default routes left out.

    Args:
        model: What is compared with them: IPv6 is asked for where it has any, since the library
            takes a millisecond for each few of all links and routes that there are.

    Raises:
        ConfigUnsupported: The host has not what it takes to look.
    """
    found = list(ipv4_routes(host.routes()))
    if any(subnet.version == 6 for subnet in _subnets(model)):
        found += await _ipv6_routes(host)
    return found


def _subnets(model: Network) -> list[_Subnet]:
    """Those that the network has, and those that its static routes lead to."""
    return [
        *(address.network for address in addresses_of(model)),
        *(target_of(route) for route in model.routes),
    ]


def ipv4_routes(lines: Iterable[str]) -> Iterator[Route]:
    """The routes of ``/proc/net/route``, but for those that lead to no link.

    Args:
        lines: With their heading. The first field is the link, the second the subnet and the
            eighth its mask, as the numbers that this machine sees in the bytes of an address.
    """
    for line in lines:
        words = line.split()
        if len(words) < 8 or words[0] in ("Iface", "*"):
            continue
        subnet, mask = (IPv4Address(int(words[n], 16).to_bytes(4, sys.byteorder)) for n in (1, 7))
        if int(mask):
            yield Route(IPv4Network(f"{subnet}/{mask}"), words[0])


async def _ipv6_routes(host: NetworkHost) -> list[Route]:
    async with host.links() as kernel:
        asked = await kernel.get_routes(family=socket.AF_INET6, table=_MAIN)
        found = [route async for route in asked]
    return [
        Route(ip_network(f"{route.get('dst')}/{route['dst_len']}"), name)
        for route in found
        if route.get("dst") and route["dst_len"]
        if (name := host.link_name(route.get("oif") or 0)) is not None
    ]


#: ``RT_TABLE_MAIN`` of linux/rtnetlink.h.
_MAIN = 254


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
