# SPDX-License-Identifier: Apache-2.0
"""What no host can have is refused, by what is wrong with it."""

from __future__ import annotations

import pytest

from tests.unit.drivers.interface.documents import BOND, EVERYTHING, VLAN, model
from virloom.drivers.interface.completion import parse_interface
from virloom.drivers.interface.validate import parts_of, validate
from virloom.enums.error import ErrorDomain
from virloom.errors import XmlError

PORT = "<interface type='ethernet' name='eth0'/>"


def ethernet(inside: str, name: str = "eth0") -> str:
    return f"<interface type='ethernet' name='{name}'>{inside}</interface>"


def ipv4(inside: str) -> str:
    return ethernet(f"<protocol family='ipv4'>{inside}</protocol>")


def bridge(inside: str, attributes: str = "", name: str = "br0") -> str:
    return (
        f"<interface type='bridge' name='{name}'><bridge {attributes}>{inside}</bridge></interface>"
    )


def bond(inside: str, mode: str = "active-backup") -> str:
    return f"<interface type='bond' name='bond0'><bond mode='{mode}'>{inside}</bond></interface>"


def vlan(tag: int, carrier: str, name: str = "v") -> str:
    return (
        f"<interface type='vlan' name='{name}'>"
        f"<vlan tag='{tag}'><interface name='{carrier}'/></vlan></interface>"
    )


@pytest.mark.parametrize("name", ["-i", "a/b", "..", "a b", "lo", "all", "x" * 16, "eth0:1", "é"])
def test_names_that_are_options_or_paths(name: str) -> None:
    for document in (ethernet("", name), bridge(f"<interface type='ethernet' name='{name}'/>")):
        refused(document, "cannot be the name of")
    refused(vlan(5, name), "cannot be the name of")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (ethernet("<mtu size='20'/>"), "mtu 20 is not between"),
        (ethernet("<mac address='52:54'/>"), "no hardware address"),
        (ethernet("<mac address='53:54:00:00:00:01'/>"), "of a group"),
        (ipv4("<ip address='300.1.1.1'/>"), "no ipv4 address"),
        (ipv4("<ip address='::1'/>"), "no ipv4 address"),
        (ipv4("<ip address='10.0.0.1' prefix='33'/>"), "too long for ipv4"),
        (ipv4("<route gateway='fe80::1'/>"), "no ipv4 address"),
        (ipv4("<autoconf/>"), "of ipv6 only"),
        (ethernet("<protocol family='ipv6'/><protocol family='ipv6'/>"), "there twice"),
        (bridge("<interface type='ethernet' name='br0'/>"), "a part of itself"),
        (bridge(PORT + PORT), "'eth0' is there twice"),
        (bridge("<interface type='bridge' name='br1'/>"), "cannot have the bridge 'br1'"),
        (bridge("<interface type='vlan' name='v'/>"), "misses the vlan element"),
        (bridge("<interface type='bond' name='b'/>"), "misses the bond element"),
        (bridge("", "delay='x'"), "no number of seconds"),
        (bridge("", "delay='31'"), "between 0 and 30"),
        (bridge("", "delay='nan'"), "between 0 and 30"),
        (bond("<interface type='vlan' name='v'/>"), "a bond cannot have"),
        (bond(PORT, "balance"), "unknown bonding mode"),
        (bond("<miimon freq='1'/><arpmon interval='1' target='10.0.0.1'/>"), "not by both"),
        (bond("<arpmon interval='1' target='10.0.0.1'/>", "802.3ad"), "cannot watch by arpmon"),
        (bond("<arpmon target='10.0.0.1'/>"), "misses the interval"),
        (bond("<arpmon interval='1'/>"), "misses the target"),
        (bond("<arpmon interval='1' target='x;reboot'/>"), "no IPv4 address"),
        (vlan(0, "eth0"), "vlan tag 0 is not"),
        (vlan(4095, "eth0"), "vlan tag 4095 is not"),
        (vlan(5, "v"), "cannot carry itself"),
    ],
)
def test_what_cannot_be(document: str, words: str) -> None:
    refused(document, words)


def refused(document: str, words: str) -> None:
    with pytest.raises(XmlError) as caught:
        validate(parse_interface(document))
    assert words in caught.value.message
    assert caught.value.domain == ErrorDomain.INTERFACE


def test_what_can_be() -> None:
    assert list(parts_of(model(EVERYTHING))) == ["eth2", "eth3.7", "bond0", "eth0", "eth1"]
    assert list(parts_of(model(BOND))) == ["eth0"]
    assert list(parts_of(model(VLAN))) == []
