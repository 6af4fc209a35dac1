# SPDX-License-Identifier: Apache-2.0
"""Messages that pass: whole, in order, in the bytes that came, however those are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virloom.rpc.packet import Framer, FramingError, Header, pack
from virloom.rpc.passage import Passage, Send

#: What is passed on to either of two receivers, by the procedure; others are looked at.
_FIRST, _SECOND, _OURS = 1, 2, 3


class Relay:
    """Both receivers, and who looks at the rest."""

    def __init__(self) -> None:
        self.sent: dict[int, list[bytes]] = {_FIRST: [], _SECOND: []}
        self.noted: list[Header] = []
        self.looked_at: list[Header] = []
        self.ways: dict[int, Send] = {number: got.append for number, got in self.sent.items()}
        self.framer = Framer()
        self.passage = Passage(lambda header: self.ways.get(header.procedure), self.noted.append)

    def feed(self, data: bytes) -> None:
        """As both ends of a relay use it."""
        if self.framer.between_messages:
            data = self.passage.feed(data)
        if data:
            self.looked_at += [packet.header for packet in self.framer.feed(data)]


def message(procedure: int, size: int, serial: int = 0) -> bytes:
    return pack(Header(7, 1, procedure, 0, serial, 0), bytes(size))


@given(
    procedures=st.lists(st.sampled_from([_FIRST, _SECOND, _OURS]), max_size=8),
    sizes=st.lists(st.integers(0, 300), min_size=8, max_size=8),
    cuts=st.lists(st.integers(1, 200), min_size=1, max_size=40),
)
def test_nothing_is_lost_however_it_is_cut(
    procedures: list[int], sizes: list[int], cuts: list[int]
) -> None:
    messages = [message(each, sizes[at], at) for at, each in enumerate(procedures)]
    relay = Relay()
    data = b"".join(messages)
    for cut in cuts:
        relay.feed(data[:cut])
        data = data[cut:]
    relay.feed(data)
    seen = sorted([*relay.noted, *relay.looked_at], key=lambda header: header.serial)
    assert [header.procedure for header in seen] == procedures
    for number, parts in relay.sent.items():
        through = [messages[header.serial] for header in relay.noted if header.procedure == number]
        assert b"".join(parts) == b"".join(through)


def test_a_message_waits_until_all_of_it_is_there() -> None:
    relay = Relay()
    long = message(_FIRST, 1000)
    relay.feed(long[:500])
    assert (relay.sent[_FIRST], relay.noted) == ([], [])
    assert relay.passage.kept
    relay.feed(long[500:])
    assert b"".join(relay.sent[_FIRST]) == long
    assert not relay.passage.kept


def test_who_dribbles_fills_no_list() -> None:
    relay = Relay()
    long = message(_FIRST, 20000)
    for at in range(len(long)):
        relay.feed(long[at : at + 1])
        assert len(relay.passage.kept) <= 2
    assert b"".join(relay.sent[_FIRST]) == long


def test_several_for_one_receiver_go_at_once() -> None:
    relay = Relay()
    data = message(_FIRST, 4) + message(_FIRST, 8)
    relay.feed(data + message(_SECOND, 4))
    assert relay.sent == {_FIRST: [data], _SECOND: [message(_SECOND, 4)]}


def test_a_receiver_that_has_gone_meanwhile() -> None:
    relay = Relay()
    long = message(_FIRST, 1000)
    relay.feed(long[:500])
    del relay.ways[_FIRST]
    relay.feed(long[500:] + message(_SECOND, 4))
    assert [header.procedure for header in relay.looked_at] == [_FIRST, _SECOND]


def test_what_was_kept_can_be_taken_back() -> None:
    relay = Relay()
    long = message(_FIRST, 1000)
    relay.feed(long[:500])
    assert relay.passage.take_back() == long[:500]
    assert not relay.passage.kept


@pytest.mark.parametrize("length", [0, 27, 33554437, 0xFFFFFFFF])
def test_a_length_out_of_bounds_is_seen_at_once(length: int) -> None:
    relay = Relay()
    with pytest.raises(FramingError, match="out of bounds"):
        relay.feed(message(_FIRST, 4) + length.to_bytes(4, "big"))
    assert len(relay.noted) == 1
