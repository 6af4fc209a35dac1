# SPDX-License-Identifier: Apache-2.0
"""Addresses in frames, whole and not, and the leases that come of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.system.filterednet import MAC, OTHER, arp, dhcp, packet
from virloom.drivers.nwfilter.learning.leases import MOST, NEVER, Leases
from virloom.drivers.nwfilter.learning.packets import Kind, message_of, sender_of

CARD = f"11111111-2222-3333-4444-555555555555-{MAC}"


def test_what_a_frame_shows() -> None:
    assert sender_of(packet("10.0.0.1")) == "10.0.0.1"
    assert sender_of(arp("10.0.0.1")) == "10.0.0.1"
    about_another = (
        arp("10.0.0.1")[:6] + bytes.fromhex(OTHER.replace(":", "")) + arp("10.0.0.1")[12:]
    )
    assert sender_of(about_another) is None


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"])
def test_what_is_nobodys_address(address: str) -> None:
    assert sender_of(packet(address)) is None
    assert sender_of(arp(address)) is None


def test_a_message() -> None:
    message = message_of(dhcp(5, given="10.0.0.7"))
    assert message is not None
    assert (message.kind, message.given, message.seconds) == (Kind.ACK, "10.0.0.7", 256)
    assert message_of(dhcp(1)) is None
    assert message_of(packet("10.0.0.1")) is None


def test_frames_that_are_cut_off_show_less_and_raise_nothing() -> None:
    for frame in (dhcp(5, given="10.0.0.7"), arp("10.0.0.1"), packet("10.0.0.1")):
        for length in range(len(frame)):
            found = message_of(frame[:length])
            assert found is None or found.given == "10.0.0.7"
            assert sender_of(frame[:length]) in (None, "10.0.0.1")


def test_leases_end_and_are_kept(tmp_path: Path) -> None:
    now, path = [1000.0], tmp_path / "leases"
    leases = Leases(path, lambda: now[0])
    leases.give(CARD, "10.0.0.1", 60, "10.0.0.9")
    leases.give(CARD, "10.0.0.2", NEVER, "10.0.0.9")
    assert path.read_text().splitlines()[0] == f"1060 {CARD} 10.0.0.1 10.0.0.9"
    with path.open("a") as file:
        file.write("nonsense\n")
    leases = Leases(path, lambda: now[0])
    assert leases.of(CARD) == ["10.0.0.1", "10.0.0.2"]
    assert leases.next_end(CARD) == 60
    now[0] = 1061
    assert leases.of(CARD) == ["10.0.0.2"]
    assert leases.next_end(CARD) is None
    assert leases.end(CARD, "10.0.0.2")
    assert not leases.end(CARD, "10.0.0.2")
    assert path.read_text() == ""


def test_a_card_has_so_many_leases_and_no_more(tmp_path: Path) -> None:
    leases = Leases(tmp_path / "leases")
    given = [leases.give(CARD, f"10.0.0.{number}", 60, "10.0.0.9") for number in range(MOST + 1)]
    assert given == [True] * MOST + [False]
