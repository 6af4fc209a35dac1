# SPDX-License-Identifier: Apache-2.0
"""The VLANs of a port of a kernel's bridge."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.nics.vlans import members
from virloom.model.domain import Interface
from virloom.xml import parse_document


@pytest.mark.parametrize(
    ("vlan", "expected"),
    [
        ("<tag id='42'/>", [(42, (True, True))]),
        ("<tag id='1'/><tag id='2'/>", [(1, (False, False)), (2, (False, False))]),
        ("<tag id='1' nativeMode='tagged'/>", [(1, (True, False))]),
        (
            "<tag id='1'/><tag id='2' nativeMode='untagged'/>",
            [(1, (False, False)), (2, (True, True))],
        ),
    ],
)
def test_members(vlan: str, expected: list[tuple[int, tuple[bool, bool]]]) -> None:
    trunk = " trunk='yes'" if vlan.count("<tag") > 1 else ""
    card = parse_document(
        Interface, f"<interface type='bridge'><vlan{trunk}>{vlan}</vlan></interface>"
    )
    assert members(card.vlan, 1) == expected


def test_a_port_that_says_nothing() -> None:
    assert members(None, 1) == [(1, (True, True))]
    assert members(None, 0) == []
