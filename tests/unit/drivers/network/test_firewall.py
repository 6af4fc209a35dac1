# SPDX-License-Identifier: Apache-2.0
"""Rules of networks, and what the kernel tells of tables that lose some."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from virloom.drivers.network.announcements import lost_links, lost_tables
from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.firewall.rules import ruleset

NAT = """<network><name>n</name><forward mode='nat'{dev}>{nat}</forward>
<bridge name='virbr0'/><ip address='10.1.0.1' prefix='24'/>
<ip family='ipv6' address='fd01::1' prefix='64'/></network>"""


def rules(document: str, chain: str) -> list[list[dict[str, Any]]]:
    """The parts of each rule of a chain."""
    made = [entry["rule"] for entry in ruleset(parse_network(document)) if "rule" in entry]
    return [rule["expr"] for rule in made if rule["chain"] == chain]


def words(parts: list[dict[str, Any]]) -> str:
    """A rule, short enough to compare."""
    found = []
    for part in parts:
        if "match" in part:
            ((kind, value),) = part["match"]["left"].items()
            name = value.get("field") or value.get("key")
            right = part["match"]["right"]
            if isinstance(right, dict):
                right = f"{right['prefix']['addr']}/{right['prefix']['len']}"
            found.append(f"{name}{part['match']['op']}{right}")
            assert kind in ("meta", "payload", "ct")
        else:
            found.extend(part)
    return " ".join(found)


def test_only_answers_come_in_by_nat() -> None:
    told = [words(rule) for rule in rules(NAT.format(dev="", nat=""), "forward")]
    assert told == [
        "iifname==virbr0 oifname==virbr0 accept",
        "oifname==virbr0 daddr==10.1.0.0/24 statein['established', 'related'] accept",
        "iifname==virbr0 saddr==10.1.0.0/24 accept",
        "oifname==virbr0 daddr==fd01::/64 accept",
        "iifname==virbr0 saddr==fd01::/64 accept",
        "oifname==virbr0 reject",
        "iifname==virbr0 reject",
    ]


def test_a_device_is_the_only_way_out() -> None:
    document = NAT.format(dev=" dev='eth7'", nat="")
    told = [words(rule) for rule in rules(document, "forward")]
    assert "iifname==virbr0 oifname==eth7 saddr==10.1.0.0/24 accept" in told
    translated = [words(rule) for rule in rules(document, "postrouting")]
    assert translated
    assert all("oifname==eth7 saddr==10.1.0.0/24" in rule for rule in translated)


def test_addresses_and_ports_of_translation() -> None:
    nat = (
        "<nat ipv6='yes'><address start='203.0.113.5' end='203.0.113.9'/>"
        "<port start='500' end='900'/></nat>"
    )
    last = [rule[-1] for rule in rules(NAT.format(dev="", nat=nat), "postrouting")]
    four = {"addr": {"range": ["203.0.113.5", "203.0.113.9"]}, "family": "ip"}
    ports = {"port": {"range": [500, 900]}}
    assert last[2:5] == [{"snat": {**four, **ports}}] * 2 + [{"snat": four}]
    assert last[-3:] == [{"masquerade": ports}] * 2 + [{"masquerade": None}]


@pytest.mark.parametrize("forward", ["<forward mode='open'/>", "<forward mode='bridge'/>"])
def test_networks_without_rules(forward: str) -> None:
    address = "" if "bridge" in forward else "<ip address='10.1.0.1' prefix='24'/>"
    document = f"<network><name>n</name>{forward}<bridge name='br0'/>{address}</network>"
    assert ruleset(parse_network(document)) == []


def message(kind: int, name: bytes) -> bytes:
    """As the kernel tells it: other attributes may come before the name."""
    attribute = struct.pack("=HH", 4 + len(name) + 1, 1) + name + b"\0"
    body = b"\0" * 4 + struct.pack("=HHI", 8, 9, 0) + attribute
    head = struct.pack("=IHHII", 16 + len(body), (10 << 8) | kind, 0, 0, 0)
    return head + body + b"\0" * (-len(body) % 4)


def test_what_is_lost_is_heard() -> None:
    told = message(2, b"one") + message(0, b"made") + message(8, b"three")
    assert list(lost_tables(told)) == ["one", "three"]
    for cut in range(len(told)):  # whatever is cut off, it ends
        assert all(name in "one three" for name in lost_tables(told[:cut]))
    assert list(lost_tables(b"\0" * 64)) == []


def test_links_that_go_are_heard() -> None:
    def link(kind: int, family: int, index: int) -> bytes:
        body = struct.pack("=BxHiII", family, 1, index, 0, 0) + struct.pack("=HH4s", 8, 3, b"br0\0")
        return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body

    told = link(17, 0, 5) + link(16, 0, 6) + link(17, 7, 7) + link(17, 0, 8)
    assert list(lost_links(told)) == [5, 8]  # one is new, one has only left its bridge
    for cut in range(len(told)):
        assert set(lost_links(told[:cut])) <= {5, 8}
