# SPDX-License-Identifier: Apache-2.0
"""What the guardian hears, in pieces of any size, and when it stops listening."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virloom.host.guardian_process import MESSAGES, Wards, listen
from virloom.host.identity import ProcessIdentity, boot_id

HERE = ProcessIdentity.of(os.getpid())
ENDED = ProcessIdentity(HERE.pid, HERE.start_time - 1, HERE.boot_id)


def message(*fields: str) -> bytes:
    return b"".join(os.fsencode(field) + b"\0" for field in fields)


DIALOGUE = (
    message("expect", "/run/a.json", "marker-a")
    + message("expect", "/run/b\n'\udcff.json", "marker-b")
    + message("adopt", "/run/a.json", "12", "34")
    + message("expect", "/run/c.json", "marker-c")
    + message("forget", "/run/c.json")
    + message("forget", "/run/never.json")
    + message("adopt", "/run/never.json", "56", "78")
)


def check(wards: Wards) -> None:
    assert list(wards.by_record) == ["/run/a.json", "/run/b\n'\udcff.json"]
    first, second = wards.by_record.values()
    assert first.process == ProcessIdentity(12, 34, boot_id())
    assert first.live == "/run/a.live"
    assert (second.marker, second.process) == ("marker-b", None)


@given(st.lists(st.integers(0, len(DIALOGUE)), max_size=20))
def test_messages_in_pieces_of_any_size(cuts: list[int]) -> None:
    wards = Wards()
    edges = [0, *sorted(cuts), len(DIALOGUE)]
    for begin, end in itertools.pairwise(edges):
        wards.receive(DIALOGUE[begin:end])
    check(wards)


@given(st.integers(0, len(DIALOGUE)))
def test_a_message_that_was_cut_off_counts_for_nothing(length: int) -> None:
    wards = Wards()
    wards.receive(DIALOGUE[:length])
    whole = DIALOGUE[:length].count(b"expect\0/run/a.json\0marker-a\0")
    assert ("/run/a.json" in wards.by_record) == bool(whole)


def test_every_message_is_handled() -> None:
    for name, count in MESSAGES.items():
        wards = Wards()
        wards.receive(message("expect", "1", "m") + message(name, *"1" * count))
        assert list(wards.by_record) == ([] if name == "forget" else ["1"])


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    first, second = socket.socketpair()
    with first, second:
        yield first, second


def test_the_owner_closes(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[0].send(DIALOGUE)
    ends[0].close()
    wards = Wards()
    listen(ends[1].fileno(), HERE, wards)
    check(wards)


def test_the_owner_ended_before_we_looked_and_its_child_keeps_the_socket_open(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ends[0].send(DIALOGUE)
    wards = Wards()
    listen(ends[1].fileno(), ENDED, wards)
    check(wards)
