# SPDX-License-Identifier: Apache-2.0
"""What of a card can change while its guest runs, and what a network is asked for again."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.hotplug.card_changes import (
    asks_the_same,
    check_same_end,
    check_switched,
    check_unchanged,
    is_another_bridge,
)
from virloom.errors import ConfigUnsupported, OperationDenied, OperationUnsupported, XmlError
from virloom.model.domain import Interface
from virloom.xml import parse_document

_PORT = "portid='8f3c0f2e-5a51-4b59-9d3c-0000000000d6'"


def card(
    more: str = "", kind: str = "network", source: str = f"network='n' {_PORT} bridge='b'"
) -> Interface:
    text = f"<interface type='{kind}'><source {source}/><model type='virtio'/>{more}</interface>"
    return parse_document(Interface, text)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ("<driver queues='4'/>", OperationUnsupported),
        ("<mtu size='1400'/>", OperationUnsupported),
        ("<boot order='1'/>", OperationUnsupported),
        ("<rom bar='off'/>", OperationUnsupported),
        ("<backend type='passt'/>", OperationUnsupported),
        ("<address type='usb' bus='0' port='1'/>", OperationUnsupported),
        ("<acpi index='3'/>", OperationDenied),
    ],
)
def test_what_cannot_change(more: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_unchanged(card(), card(more))


@pytest.mark.parametrize(
    "more",
    [
        "<backend tap='/dev/net/tun'/>", "<link state='down'/>", "<port isolated='yes'/>",
        "<bandwidth><inbound average='5'/></bandwidth>", "<vlan><tag id='5'/></vlan>",
    ],
)  # fmt: skip
def test_what_can(more: str) -> None:
    check_unchanged(card(), card(more))


def test_when_a_network_is_asked_again() -> None:
    asked = "network='n'"
    assert asks_the_same(card(), card(source=asked))
    assert asks_the_same(card(), card("<link state='down'/>", source=asked))
    for other in ("network='m'", "network='n' portgroup='g'"):
        assert not asks_the_same(card(), card(source=other))
    for more in ("<port isolated='yes'/>", "<bandwidth><inbound average='5'/></bandwidth>"):
        assert not asks_the_same(card(), card(more, source=asked))
        assert not asks_the_same(card(more), card(source=asked))
        assert asks_the_same(card(more), card(more, source=asked))
    assert not asks_the_same(card(kind="bridge", source="bridge='b'"), card(source=asked))


def test_which_ends_a_tap_can_move_between() -> None:
    bridge, other = (card(kind="bridge", source=f"bridge='{name}'") for name in "bc")
    for new in (bridge, other):
        check_same_end(card(), new)
        check_same_end(new, card())
    assert not is_another_bridge(card(), bridge)
    assert is_another_bridge(card(), other)
    switch = card("<virtualport type='openvswitch'/>", "bridge", "bridge='b'")
    direct = card(kind="direct", source="dev='eth0' mode='bridge'")
    for end in (switch, direct, card(kind="user", source="")):
        with pytest.raises(OperationUnsupported):
            check_same_end(bridge, end)
    with pytest.raises(OperationUnsupported):
        check_same_end(direct, card(kind="direct", source="dev='eth1' mode='bridge'"))


def test_what_only_a_switch_can_do() -> None:
    for more in ("<vlan><tag id='5'/></vlan>", "<port isolated='yes'/>"):
        with pytest.raises(ConfigUnsupported):
            check_switched(card(more, "user", ""))
    with pytest.raises(XmlError):
        check_switched(card("<vlan/>", "user", ""))
