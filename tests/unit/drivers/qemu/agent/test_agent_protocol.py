# SPDX-License-Identifier: Apache-2.0
"""An agent's bytes become answers, and what a hostile guest sends becomes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from virloom.drivers.qemu.agent import protocol
from virloom.drivers.qemu.agent.protocol import AgentViolation, Conversation, command_line


def synchronized() -> Conversation:
    """A conversation that has been synchronized with number 1."""
    conversation = Conversation()
    conversation.sync()
    assert conversation.synchronized(b'\xff{"return": 1}\n')
    return conversation


def test_a_command_is_one_line() -> None:
    assert command_line("guest-ping") == b'{"execute": "guest-ping"}\n'
    line = command_line("guest-fstrim", {"minimum": 7})
    assert json.loads(line) == {"execute": "guest-fstrim", "arguments": {"minimum": 7}}


def test_each_synchronization_has_its_number() -> None:
    conversation = Conversation()
    asked = [conversation.sync() for _ in range(2)]
    assert all(line.startswith(b"\xff") for line in asked)
    assert [json.loads(line[1:])["arguments"]["id"] for line in asked] == [1, 2]


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b'{"return": {}}\n',
        b'{"return": 1}\n',  # without the sentinel
        b'half an ans\xff{"return": 77}\n',  # somebody else's
        b"\xff\xff\xff",
        b"\xff[]\n\xff\n\xffnull\n",
        b'{"error": {"class": "GenericError", "desc": "Invalid JSON syntax"}}\n',
    ],
)
def test_what_came_before_is_thrown_away(junk: bytes) -> None:
    conversation = Conversation()
    conversation.sync()
    data = junk + b'\xff{"return": 1}\n{"return": "next"}\n'
    assert [conversation.synchronized(bytes([one])) for one in data[:-19]][-1] is True
    assert conversation.answer(data[-19:]) == {"return": "next"}


def test_an_answer_may_come_in_pieces() -> None:
    conversation = synchronized()
    assert conversation.answer(b'{"ret') is None
    assert conversation.answer(b'urn": []}') is None
    assert conversation.answer(b"\n") == {"return": []}


@pytest.mark.parametrize(
    "line",
    [b"nonsense\n", b"[]\n", b"{}\n", b"\xfe\n", b"[" * 200_000 + b"\n", b"1" * 5000 + b"\n"],
)
def test_what_is_no_answer_ends_the_conversation(line: bytes) -> None:
    with pytest.raises(AgentViolation):
        synchronized().answer(line)


def test_junk_is_bounded() -> None:
    for filler in (b"x", b"\n", b"\xff", b"\xff\n"):
        conversation = Conversation()
        conversation.sync()
        with pytest.raises(AgentViolation):
            _endless(conversation.synchronized, filler, protocol.JUNK_LIMIT)


def test_an_answer_is_bounded() -> None:
    for filler in (b"y", b"\n"):
        with pytest.raises(AgentViolation):
            _endless(synchronized().answer, filler, protocol.ANSWER_LIMIT)


def _endless(take: Callable[[bytes], object], filler: bytes, limit: int) -> None:
    """Feeds *take* with so many bytes and some more."""
    piece = filler * ((1 << 20) // len(filler))
    for _ in range(limit // len(piece) + 2):
        take(piece)
