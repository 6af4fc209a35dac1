# SPDX-License-Identifier: Apache-2.0
"""What the database of Open vSwitch is told of a card."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.nics.openvswitch import identity, vlan_columns
from virloom.model.domain import Interface
from virloom.model.traffic import Vlan
from virloom.xml import parse_document


def card(body: str) -> Interface:
    return parse_document(
        Interface,
        f"<interface type='bridge'><mac address='52:54:00:00:00:01'/>{body}</interface>",
    )


@pytest.mark.parametrize(
    ("vlan", "columns"),
    [
        ("<tag id='42'/>", ["tag=42"]),
        ("<tag id='0'/>", ["tag=0"]),
        (
            "<tag id='42' nativeMode='tagged'/>",
            ["vlan_mode=native-tagged", "tag=42", "trunks=42"],
        ),
    ],
)
def test_one_vlan(vlan: str, columns: list[str]) -> None:
    assert vlan_columns(card(f"<vlan>{vlan}</vlan>").vlan) == columns


def test_a_trunk() -> None:
    vlan = card("<vlan trunk='yes'><tag id='1'/><tag id='2' nativeMode='untagged'/></vlan>").vlan
    assert vlan_columns(vlan) == ["vlan_mode=native-untagged", "tag=2", "trunks=1,2"]
    plain = card("<vlan trunk='yes'><tag id='7'/></vlan>").vlan
    assert vlan_columns(plain) == ["trunks=7"]


def test_no_vlan() -> None:
    assert vlan_columns(None) == []
    assert vlan_columns(Vlan()) == []


def test_names_are_quoted() -> None:
    port = "<virtualport type='openvswitch'><parameters interfaceid='14a50717-06cd-4901-91ca-"
    port += "9fa12654bef8' profileid='a,b=\"c\"'/></virtualport><target dev='vnet3'/>"
    assert list(identity(card(port), "owner")) == [
        'external-ids:attached-mac="52:54:00:00:00:01"',
        'external-ids:vm-id="owner"',
        'external-ids:iface-status="active"',
        'external-ids:iface-id="14a50717-06cd-4901-91ca-9fa12654bef8"',
        r'external-ids:port-profile="a,b=\"c\""',
        'external-ids:ifname="vnet3"',
    ]
