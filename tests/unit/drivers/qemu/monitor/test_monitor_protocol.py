# SPDX-License-Identifier: Apache-2.0
"""The QMP codec: what it says, what it understands, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virloom.drivers.qemu.monitor.protocol import (
    Codec,
    Command,
    Event,
    Failure,
    Greeting,
    Limits,
    Message,
    ProtocolViolation,
    Reply,
    Side,
)

texts = st.text(st.characters(exclude_categories=["Cs"]))
leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**64) | texts
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
)
objects = st.dictionaries(texts, values, max_size=5)


class Clock:
    """Seconds to order."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def heard(codec: Codec, *lines: bytes) -> list[Message]:
    return [message for line in lines for message in codec.receive(line)]


def chopped(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


# Both ends understand each other


@given(texts, objects, st.lists(st.integers(0, 40)))
def test_a_command_arrives_however_it_is_chopped(
    name: str, arguments: dict[str, Any], sizes: list[int]
) -> None:
    client, server = Codec(), Codec(Side.SERVER)
    number, line = client.command(name, arguments)
    assert heard(server, *chopped(line, sizes)) == [Command(name, arguments, number)]


@given(values, values, texts, st.lists(st.integers(0, 40)))
def test_answers_and_events_arrive_in_order(
    first: Any, second: Any, name: str, sizes: list[int]
) -> None:
    client, server = Codec(), Codec(Side.SERVER)
    one, _ = client.command("one")
    two, _ = client.command("two")
    event = Event(name, {"value": first}, 12, 34)
    said = server.reply(two, second) + server.event(event) + server.reply(one, first)
    expected = [Reply(two, second, None), event, Reply(one, first, None)]
    assert heard(client, *chopped(said, sizes)) == expected
    assert client.awaited == 0


def test_a_greeting_tells_version_and_offers() -> None:
    line = b'{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": ["oob"]}}\r\n'
    assert heard(Codec(), line) == [Greeting({"qemu": {"major": 7}}, ("oob",))]


def test_a_refusal_is_an_answer() -> None:
    client, server = Codec(), Codec(Side.SERVER)
    number, _ = client.command("eject")
    failure = Failure("DeviceNotFound", "Device 'x' not found")
    assert heard(client, server.failure(number, failure)) == [Reply(number, None, failure)]


def test_commands_are_written_without_blanks() -> None:
    assert Codec().command("cont")[1] == b'{"execute":"cont","id":0}\n'


def test_blank_lines_are_nothing() -> None:
    assert heard(Codec(), b"\r\n", b"\n \n") == []


def test_an_event_without_data_or_time() -> None:
    assert heard(Codec(), b'{"event": "STOP"}\n') == [Event("STOP", {})]


@given(st.lists(objects, max_size=4), st.sampled_from(["", " ", "\n", "\r\n\t"]), st.data())
def test_clients_need_not_end_their_lines(
    given: list[dict[str, Any]], between: str, data: st.DataObject
) -> None:
    text = between.join(json.dumps({"execute": "x", "arguments": each}) for each in given)
    sizes = data.draw(st.lists(st.integers(0, 60)))
    expected = [Command("x", arguments, None) for arguments in given]
    assert heard(Codec(Side.SERVER), *chopped(text.encode(), sizes)) == expected


# What is refused


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"{",
        b"[]",
        b"1",
        b'{"event": "X"',
        b'{"event": 1}',
        b'{"event": "X", "data": []}',
        b'{"event": "X", "timestamp": {"seconds": "1", "microseconds": 0}}',
        b'{"event": "X", "data": {"n": NaN}}',
        b'{"event": "X", "data": {"n": Infinity}}',
        b'{"event": "X", "data": {"s": "\\ud800"}}',
        b'{"event": "X", "data": {"s": "\xff"}}',
        b'{"event": "X", "data": {"n": ' + b"1" * 5000 + b"}}",
        b'{"return": {}}',
        b'{"return": {}, "id": 7}',
        b'{"return": {}, "id": true}',
        b'{"return": {}, "id": []}',
        b'{"error": {"class": "X", "desc": "y"}}',
        b'{"error": {"class": "X"}, "id": 0}',
        b'{"error": "X", "id": 0}',
        b'{"QMP": 1}',
        b'{"QMP": {"version": {}, "capabilities": {}}}',
        b'{"something": "else"}',
        b"\0",
    ],
)
def test_what_is_no_qmp_is_refused(line: bytes) -> None:
    codec = Codec()
    codec.command("query-status")
    with pytest.raises(ProtocolViolation):
        heard(codec, line + b"\n")


def test_what_came_before_a_violation_is_given_out() -> None:
    codec = Codec()
    messages = codec.receive(b'{"event": "STOP"}\nnonsense\n')
    assert next(messages) == Event("STOP", {})
    with pytest.raises(ProtocolViolation, match=r"malformed JSON.*nonsense"):
        next(messages)


def test_an_answer_counts_once() -> None:
    codec = Codec()
    number, _ = codec.command("stop")
    line = b'{"return": {}, "id": %d}\n' % number
    heard(codec, line)
    with pytest.raises(ProtocolViolation, match="no command of ours"):
        heard(codec, line)


@given(st.binary(max_size=200))
def test_noise_is_refused_or_understood_and_never_worse(data: bytes) -> None:
    codec = Codec()
    codec.command("query-status")
    try:
        heard(codec, data, b"\n")
    except ProtocolViolation:
        return


@given(st.binary(max_size=200))
def test_noise_from_a_client_too(data: bytes) -> None:
    try:
        heard(Codec(Side.SERVER), data, b"\n")
    except ProtocolViolation:
        return


# Limits


def test_an_unending_line_is_cut_off_at_the_limit_of_events() -> None:
    codec = Codec(limits=Limits(event=1000, reply=5000))
    heard(codec, b"x" * 1000)
    with pytest.raises(ProtocolViolation, match="more than 1000 bytes"):
        heard(codec, b"x")


def test_a_reply_may_be_longer_while_one_is_awaited() -> None:
    codec = Codec(limits=Limits(event=1000, reply=5000))
    number, _ = codec.command("query-block")
    line = json.dumps({"return": "y" * 4000, "id": number}).encode() + b"\n"
    assert heard(codec, line) == [Reply(number, "y" * 4000, None)]
    codec.command("query-block")
    with pytest.raises(ProtocolViolation, match=r"more than 5000 bytes while 'query-block' was"):
        heard(codec, b"z" * 5001)


def test_an_event_may_not_be_as_long_as_a_reply() -> None:
    codec = Codec(limits=Limits(event=1000, reply=5000))
    codec.command("query-block")
    with pytest.raises(ProtocolViolation, match="an event of more than 1000 bytes"):
        heard(codec, b'{"event": "X", "data": {"pad": "%s"}}\n' % (b"p" * 1000))


def test_a_flood_of_events_is_cut_off() -> None:
    clock = Clock()
    codec = Codec(limits=Limits(event_burst=10, event_rate=2.0), clock=clock)
    line = b'{"event": "BLOCK_IO_ERROR"}\n'
    assert len(heard(codec, line * 10)) == 10
    clock.now += 1
    assert len(heard(codec, line * 2)) == 2
    with pytest.raises(ProtocolViolation, match="flood of events: more than 10 at once"):
        heard(codec, line)


def test_a_steady_stream_of_events_goes_on_for_ever() -> None:
    clock = Clock()
    codec = Codec(limits=Limits(event_burst=3, event_rate=2.0), clock=clock)
    for _ in range(100):
        clock.now += 0.5
        assert len(heard(codec, b'{"event": "RTC_CHANGE"}\n')) == 1


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


tricky = st.text(st.sampled_from('\\"[]{}x\n\u00e9'), max_size=6)
nested = st.recursive(
    tricky, lambda inner: st.lists(inner) | st.dictionaries(tricky, inner), max_leaves=30
)


@given(nested, st.integers(1, 8), st.booleans())
def test_nesting_is_measured_exactly(value: Any, limit: int, escaped: bool) -> None:
    codec = Codec(limits=Limits(depth=limit))
    number, _ = codec.command("query-block")
    message = {"return": value, "id": number}
    line = json.dumps(message, ensure_ascii=escaped).encode() + b"\n"
    if depth_of(message) <= limit:
        assert heard(codec, line) == [Reply(number, value, None)]
    else:
        with pytest.raises(ProtocolViolation, match=f"more than {limit} levels of nesting"):
            heard(codec, line)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"":[\r\n'.replace(b"\r\n", b" ")])
def test_endless_nesting_is_refused(opening: bytes) -> None:
    codec = Codec()
    codec.command("query-block")
    with pytest.raises(ProtocolViolation, match="levels of nesting"):
        heard(codec, b'{"return": ' + opening * 100_000 + b"\n")


@pytest.mark.parametrize("arguments", [{"x": object()}, {"x": {1, 2}}])
def test_arguments_that_are_no_json_are_a_mistake_of_ours(arguments: dict[str, Any]) -> None:
    codec = Codec()
    with pytest.raises(TypeError):
        codec.command("x", arguments)
    assert codec.awaited == 0
