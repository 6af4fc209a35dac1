# SPDX-License-Identifier: Apache-2.0
"""Ports that lead into the guest, in the words of passt and of QEMU."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.devices.props.forwards import passt_ports, slirp_rules
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Interface
from virloom.model.domain.devices.interface_parts import PortForward
from virloom.xml import parse_document


def forward(inside: str, attributes: str = "") -> PortForward:
    card = f"<interface type='user'><portForward proto='tcp' {attributes}>{inside}"
    return parse_document(Interface, f"{card}</portForward></interface>").port_forwards[0]


@pytest.mark.parametrize(
    ("inside", "attributes", "told"),
    [
        ("", "", "all"),
        ("<range start='22'/>", "", "22"),
        ("<range start='2022' to='22'/>", "address='127.0.0.1'", "127.0.0.1/2022:22"),
        ("<range start='80' end='82' to='90'/>", "dev='eth0'", "%eth0/80-82:90-92"),
        ("<range start='80' end='89'/><range start='85' exclude='yes'/>", "", "80-89,~85"),
    ],
)
def test_in_the_words_of_passt(inside: str, attributes: str, told: str) -> None:
    assert passt_ports(forward(inside, attributes)) == told


def test_in_the_words_of_qemu() -> None:
    ranges = "<range start='80' end='82' to='90'/><range start='81' exclude='yes'/>"
    assert slirp_rules([forward(ranges, "address='127.0.0.1'")]) == [
        {"str": "tcp:127.0.0.1:80-:90"},
        {"str": "tcp:127.0.0.1:82-:92"},
    ]


@pytest.mark.parametrize(
    ("inside", "attributes"),
    [("", ""), ("<range start='22'/>", "dev='eth0'"), ("<range start='22'/>", "address='::1'"),
     ("<range start='1' end='2000'/>", "")],
)  # fmt: skip
def test_what_qemu_cannot(inside: str, attributes: str) -> None:
    with pytest.raises(ConfigUnsupported):
        slirp_rules([forward(inside, attributes)])


@pytest.mark.parametrize(
    "inside",
    ["<range start='0'/>", "<range start='65536'/>", "<range start='9' end='8'/>",
     "<range start='10' end='20' to='65530'/>"],
)  # fmt: skip
def test_no_such_ports(inside: str) -> None:
    with pytest.raises(ConfigUnsupported, match="there are no ports"):
        passt_ports(forward(inside))
