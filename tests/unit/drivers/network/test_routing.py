# SPDX-License-Identifier: Apache-2.0
"""Which links have which routes, as the kernel tells it."""

from __future__ import annotations

import sys
from ipaddress import IPv4Network

from virloom.drivers.network.host import advertised_links
from virloom.drivers.network.links.routing import Route, ipv4_routes

ZERO = "0" * 32


def line(flags: str, link: str) -> str:
    return f"{ZERO} 00 {ZERO} 00 {ZERO} 00000400 00000001 00000000 {flags}     {link}\n"


def test_links_with_advertised_routes() -> None:
    lines = [line("00450003", "eth0"), line("00000001", "eth1"), line("000c0001", "a.5"), "\n"]
    assert advertised_links(lines) == {"eth0", "a.5"}


def number(address: str) -> str:
    """An address as the kernel writes it: its bytes, as this machine reads a number."""
    return f"{int.from_bytes(IPv4Network(address).network_address.packed, sys.byteorder):08X}"


def test_subnets_and_their_links() -> None:
    rest = "0001\t0\t0\t0"
    lines = [
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n",
        f"eth0\t00000000\t{number('10.0.0.1')}\t{rest}\t00000000\t0\t0\t0\n",
        f"virbr0\t{number('192.168.122.0')}\t0\t{rest}\t{number('255.255.255.0')}\t0\t0\t0\n",
        f"*\t{number('10.9.0.0')}\t0\t{rest}\t{number('255.255.0.0')}\t0\t0\t0\n",
        f"eth0\t{number('10.0.0.1')}\t0\t{rest}\t{number('255.255.255.255')}\t0\t0\t0\n",
        "\n",
    ]
    wanted = [IPv4Network(one) for one in ("192.168.122.0/24", "10.0.0.1/32", "10.9.0.0/16")]
    assert list(ipv4_routes(lines, [*wanted, IPv4Network("0.0.0.0/0")])) == [
        Route(IPv4Network("192.168.122.0/24"), "virbr0"),
        Route(IPv4Network("10.0.0.1/32"), "eth0"),
    ]
    assert list(ipv4_routes(lines, [IPv4Network("192.168.0.0/16")])) == []
