# SPDX-License-Identifier: Apache-2.0
"""Both ends of a connection against each other, and against peers that misbehave."""

from __future__ import annotations

import os
from typing import Any

import pytest

from virloom.enums.error import ErrorDomain
from virloom.errors import (
    NoDomain,
    OperationFailed,
    Rpc,
    SystemFailure,
    UnknownError,
    VirloomError,
)
from virloom.procedures import VOID, find
from virloom.procedures.connect import CONNECT_GET_LIB_VERSION, ConnectGetLibVersionRet
from virloom.procedures.domain import (
    DOMAIN_EVENT_CALLBACK_LIFECYCLE,
    DOMAIN_LOOKUP_BY_NAME,
    DOMAIN_OPEN_CONSOLE,
    DomainLookupByNameArgs,
)
from virloom.procedures.types import NonnullDomain
from virloom.rpc.connection import ClientConnection, ServerConnection
from virloom.rpc.errors import ErrorStruct, decode_error, encode_error
from virloom.rpc.keepalive import PING, PONG
from virloom.rpc.messages import (
    Call,
    EventMessage,
    Ignored,
    Passed,
    Reply,
    StreamAborted,
    StreamData,
    StreamFinished,
    StreamHole,
)
from virloom.rpc.packet import FramingError, Header, pack
from virloom.rpc.xdr import codec_for

REMOTE = 0x20008086
GUEST = NonnullDomain("vm", bytes(16), 1)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Pair:
    def __init__(self) -> None:
        self.clock = Clock()
        self.client = ClientConnection(find, clock=self.clock)
        self.server = ServerConnection(find, [REMOTE], clock=self.clock)

    def call(self, procedure: Any, args: Any) -> Call:
        _, data = self.client.call(procedure, args)
        (call,) = self.server.receive(data)
        assert isinstance(call, Call)
        return call

    def answer(self, data: bytes) -> Any:
        (message,) = self.client.receive(data)
        return message

    def open_stream(self) -> int:
        call = self.call(DOMAIN_OPEN_CONSOLE, DOMAIN_OPEN_CONSOLE.args(GUEST, None, 0))
        reply = self.answer(self.server.reply(call, VOID))
        assert isinstance(reply, Reply)
        return call.serial


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_call_and_reply(pair: Pair) -> None:
    call = pair.call(DOMAIN_LOOKUP_BY_NAME, DomainLookupByNameArgs("vm"))
    assert call.procedure is DOMAIN_LOOKUP_BY_NAME
    assert call.arguments() == DomainLookupByNameArgs("vm")
    assert pair.client.pending == [0]
    reply = pair.answer(pair.server.reply(call, DOMAIN_LOOKUP_BY_NAME.ret(GUEST)))
    assert (reply.serial, reply.result.dom) == (0, GUEST)
    assert pair.client.pending == []


def test_replies_out_of_order(pair: Pair) -> None:
    calls = [pair.call(CONNECT_GET_LIB_VERSION, VOID) for _ in range(3)]
    assert [call.serial for call in calls] == [0, 1, 2]
    for call in reversed(calls):
        data = pair.server.reply(call, ConnectGetLibVersionRet(call.serial))
        assert pair.answer(data).result == ConnectGetLibVersionRet(call.serial)


@pytest.mark.parametrize(
    "error",
    [
        NoDomain("no domain with matching name 'vm'", domain=ErrorDomain.QEMU),
        NoDomain(),
        SystemFailure("cannot open: No such file", domain=ErrorDomain.STORAGE, int1=2),
        OperationFailed("odd \udcff bytes, 100%", remedy="try again"),
    ],
)
def test_errors_arrive_as_they_were(pair: Pair, error: VirloomError) -> None:
    call = pair.call(DOMAIN_LOOKUP_BY_NAME, DomainLookupByNameArgs("vm"))
    back = pair.answer(pair.server.error(call, error)).result
    assert type(back) is type(error)
    assert (back.message, back.detail, back.domain, back.int1, back.int2, str(back)) == (
        error.message, error.detail, error.domain, error.int1, error.int2, str(error),
    )  # fmt: skip


def test_an_error_gets_through_whatever_it_holds(pair: Pair) -> None:
    call = pair.call(CONNECT_GET_LIB_VERSION, VOID)
    error = OperationFailed("\ud800\0" + "x" * 5_000_000)
    assert pair.answer(pair.server.error(call, error)).result.code == OperationFailed.code


def test_a_result_that_cannot_be_sent(pair: Pair) -> None:
    call = pair.call(CONNECT_GET_LIB_VERSION, VOID)
    reply = pair.answer(pair.server.reply(call, ConnectGetLibVersionRet(-1)))
    assert "ConnectGetLibVersionRet.lib_ver" in reply.result.message


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (Header(REMOTE, 1, 9999, 0, 5, 0), "unknown procedure: 9999"),
        (Header(REMOTE, 1, 0, 0, 5, 0), "unknown procedure: 0"),
        (Header(REMOTE, 1, 107, 0, 5, 0), "unknown procedure: 107"),  # an event
        (Header(REMOTE, 2, 3, 0, 5, 0), "Cannot find program 536903814 version 2"),
        (Header(305419896, 1, 3, 0, 5, 0), "Cannot find program 305419896 version 1"),
        (Header(REMOTE, 1, 3, 0, 5, 1), "Unexpected message status 1"),
        (Header(0x6B656570, 1, 1, 0, 5, 0), "Cannot find program 1801807216 version 1"),
    ],
)
def test_calls_that_name_nothing(pair: Pair, header: Header, message: str) -> None:
    (call,) = pair.server.receive(pack(header))
    assert isinstance(call, Call)
    with pytest.raises(Rpc) as caught:
        call.arguments()
    assert (caught.value.message, caught.value.domain) == (message, ErrorDomain.RPC)


def test_undecodable_arguments(pair: Pair) -> None:
    (call,) = pair.server.receive(pack(Header(REMOTE, 1, 23, 0, 5, 0), b"\0\0\0\5vm"))
    assert isinstance(call, Call)
    with pytest.raises(Rpc, match=r"^Unable to decode message payload$"):
        call.arguments()


def test_what_is_not_for_this_end_is_ignored(pair: Pair) -> None:
    for kind in (1, 2, 99):
        (message,) = pair.server.receive(pack(Header(REMOTE, 1, 3, kind, 5, 0)))
        assert isinstance(message, Ignored)
    for kind, status in ((0, 0), (1, 0), (3, 2), (6, 2), (2, 0)):
        assert isinstance(pair.answer(pack(Header(REMOTE, 1, 3, kind, 5, status))), Ignored)
    assert isinstance(pair.server.receive(pack(Header(REMOTE, 1, 3, 3, 5, 2)))[0], Ignored)


def test_a_reply_of_another_procedure_cuts_the_connection(pair: Pair) -> None:
    pair.call(CONNECT_GET_LIB_VERSION, VOID)
    with pytest.raises(FramingError):
        pair.client.receive(pack(Header(REMOTE, 1, 3, 1, 0, 0)))


def test_events(pair: Pair) -> None:
    record = DOMAIN_EVENT_CALLBACK_LIFECYCLE.args(3, _lifecycle())
    event = pair.answer(pair.server.event(DOMAIN_EVENT_CALLBACK_LIFECYCLE, record))
    assert isinstance(event, EventMessage)
    assert event.procedure is DOMAIN_EVENT_CALLBACK_LIFECYCLE
    assert event.record == record


def _lifecycle() -> Any:
    inner = dict(DOMAIN_EVENT_CALLBACK_LIFECYCLE.args.WIRE)["msg"]
    return inner(GUEST, 2, 0)


def test_descriptors_both_ways(pair: Pair) -> None:
    there, back = (os.open(os.devnull, os.O_RDONLY) for _ in range(2))
    _, data = pair.client.call(CONNECT_GET_LIB_VERSION, VOID, [there])
    assert pair.server.receive(data) == []
    (call,) = pair.server.receive(b"\0", [there])
    assert isinstance(call, Call)
    assert list(call.fds) == [there]
    assert pair.client.receive(pair.server.reply(call, ConnectGetLibVersionRet(1), [back])) == []
    (reply,) = pair.client.receive(b"\0", [back])
    assert isinstance(reply, Reply)
    assert (list(reply.fds), reply.result) == ([back], ConnectGetLibVersionRet(1))
    call.discard()
    reply.discard()
    for fd in (there, back):
        with pytest.raises(OSError):
            os.fstat(fd)


def test_download(pair: Pair) -> None:
    serial = pair.open_stream()
    data = os.urandom(600_000)
    packets = pair.client.receive(pair.server.stream_data(serial, data))
    assert [len(p.data) for p in packets if isinstance(p, StreamData)] == [262120, 262120, 75760]
    assert b"".join(p.data for p in packets if isinstance(p, StreamData)) == data
    end = pair.answer(pair.server.stream_end_of_data(serial))
    assert isinstance(end, StreamData)
    assert end.data == b""
    (finished,) = pair.server.receive(pair.client.stream_finish(serial))
    assert isinstance(finished, StreamFinished)
    assert isinstance(pair.answer(pair.server.stream_finish(serial)), StreamFinished)
    assert pair.server.stream_data(serial, b"late") == b""
    assert pair.client.stream_data(serial, b"late") == b""


def test_upload_with_a_hole(pair: Pair) -> None:
    serial = pair.open_stream()
    (data,) = pair.server.receive(pair.client.stream_data(serial, b"abc"))
    (hole,) = pair.server.receive(pair.client.stream_hole(serial, 1 << 40))
    assert isinstance(data, StreamData)
    assert isinstance(hole, StreamHole)
    assert (data.data, hole.length) == (b"abc", 1 << 40)
    (strange,) = pair.server.receive(pair.client.stream_hole(serial, -1, 7))
    assert isinstance(strange, StreamHole)
    assert (strange.length, strange.flags) == (-1, 7)  # its owner answers that
    number = DOMAIN_OPEN_CONSOLE.number
    with pytest.raises(FramingError, match="no length"):
        pair.server.receive(pack(Header(REMOTE, 1, number, 6, serial, 2), b"short"))


def test_client_aborts_while_data_is_under_way(pair: Pair) -> None:
    serial = pair.open_stream()
    under_way = pair.server.stream_data(serial, b"data")
    (aborted,) = pair.server.receive(pair.client.stream_abort(serial))
    assert isinstance(aborted, StreamAborted)
    assert isinstance(pair.answer(under_way), StreamData)
    assert isinstance(pair.answer(pair.server.stream_finish(serial)), StreamFinished)


def test_server_fails_a_stream(pair: Pair) -> None:
    serial = pair.open_stream()
    late = pair.client.stream_data(serial, b"late")
    message = pair.answer(pair.server.stream_error(serial, OperationFailed("disk full")))
    assert isinstance(message, StreamAborted)
    assert isinstance(message.error, OperationFailed)
    (ignored,) = pair.server.receive(late)
    assert isinstance(ignored, Ignored)


def test_a_call_that_was_given_up(pair: Pair) -> None:
    """Its reply is dropped, and the stream that it opens is ended at once."""
    call = pair.call(DOMAIN_OPEN_CONSOLE, DOMAIN_OPEN_CONSOLE.args(GUEST, None, 0))
    pair.client.abandon(call.serial)
    assert pair.client.pending == []
    assert isinstance(pair.answer(pair.server.reply(call, VOID)), Ignored)
    (aborted,) = pair.server.receive(pair.client.data_to_send())
    assert isinstance(aborted, StreamAborted)


def test_pings_are_answered_and_counted(pair: Pair) -> None:
    server = pair.server
    assert server.receive(PING) == []
    assert server.data_to_send() == PONG
    assert server.data_to_send() == b""
    server.start_keepalive(5, 2)
    assert server.next_tick() == 105
    server.tick()
    assert server.data_to_send() == b""
    for _ in range(2):
        pair.clock.now += 5
        server.tick()
        assert server.data_to_send() == PING
    server.receive(PONG)
    for _ in range(2):
        pair.clock.now += 5
        server.tick()
    pair.clock.now += 5
    with pytest.raises(TimeoutError, match="no sign of life for 15 seconds"):
        server.tick()


def test_what_a_peer_sends_that_nobody_can_read(pair: Pair) -> None:
    """Each costs one call, or one event, and not the connection."""
    call = pair.call(CONNECT_GET_LIB_VERSION, VOID)
    answer = pack(Header(REMOTE, 1, call.header.procedure, 1, call.serial, 0), b"\0")
    assert "cannot decode the reply" in pair.answer(answer).result.message
    call = pair.call(CONNECT_GET_LIB_VERSION, VOID)
    answer = pack(Header(REMOTE, 1, call.header.procedure, 1, call.serial, 2))
    assert "has status 2, not ok or error" in pair.answer(answer).result.message
    call = pair.call(CONNECT_GET_LIB_VERSION, VOID)
    answer = pack(Header(REMOTE, 1, call.header.procedure, 1, call.serial, 1), b"\0")
    assert "cannot decode the error" in pair.answer(answer).result.message
    for number in (DOMAIN_EVENT_CALLBACK_LIFECYCLE.number, 9999):
        assert isinstance(pair.answer(pack(Header(REMOTE, 1, number, 2, 0, 0), b"\0")), Ignored)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"code": 4711, "message": "of a later release"}, UnknownError, "of a later release"),
        ({"code": 42, "message": "Domaine introuvable"}, NoDomain, "Domaine introuvable"),
        ({"code": 42, "message": "Domain not found: vm", "str2": None}, NoDomain, "vm"),
        ({"code": 9, "message": None}, OperationFailed, "operation failed"),
        ({"domain": 4711}, OperationFailed, "x"),
        ({"level": 9}, OperationFailed, "x"),
    ],
)
def test_errors_in_words_of_others(
    change: dict[str, Any], kind: type[VirloomError], message: str
) -> None:
    wire = codec_for(ErrorStruct).decode(encode_error(OperationFailed("x")))
    for name, value in change.items():
        setattr(wire, name, value)
    error = decode_error(codec_for(ErrorStruct).encode(wire))
    assert type(error) is kind
    assert message in error.message
    assert decode_error(encode_error(error)).message == error.message


def test_a_call_for_another_server_is_passed_on_as_it_came(pair: Pair) -> None:
    _, data = pair.client.call(DOMAIN_OPEN_CONSOLE, DOMAIN_OPEN_CONSOLE.args(GUEST, None, 0))
    (call,) = pair.server.receive(data[:10])[:1] or pair.server.receive(data[10:])
    assert isinstance(call, Call)
    assert pair.server.between_messages
    assert pair.server.pass_on(call) == data
    stream = pack(Header(REMOTE, 1, DOMAIN_OPEN_CONSOLE.number, 3, call.serial, 2), b"keys")
    (passed,) = pair.server.receive(stream)
    assert isinstance(passed, Passed)
    assert passed.payload == b"keys"
    pair.server.passed_over(call.serial)
    (late,) = pair.server.receive(stream)
    assert isinstance(late, Ignored)


def test_what_passes_by_is_a_sign_of_life(pair: Pair) -> None:
    assert pair.server.next_tick() is None
    pair.server.tick()
    pair.server.start_keepalive(5, 1)
    pair.clock.now += 4
    pair.server.passed_by()
    assert pair.server.next_tick() == 109
    pair.server.stop_keepalive()
    assert pair.server.next_tick() is None
    pair.server.passed_by()


def _whole_call(serial: int = 0, **changes: int) -> bytes:
    header = Header(REMOTE, 1, CONNECT_GET_LIB_VERSION.number, 0, serial, 0)
    return pack(header._replace(**changes))


def test_a_usual_call_is_the_one_that_would_be_received(pair: Pair) -> None:
    assert pair.server.usual(_whole_call()) is None  # nobody has made it before
    (received,) = pair.server.receive(_whole_call(7))
    assert isinstance(received, Call)
    usual = pair.server.usual(_whole_call(7))
    assert usual is not None
    assert (usual.header, usual.procedure, usual.payload) == (
        received.header, received.procedure, received.payload,
    )  # fmt: skip
    assert usual.arguments() == received.arguments()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        _whole_call()[:-1],
        _whole_call() + b"\0",
        _whole_call() * 2,
        b"\xff" + _whole_call()[1:],
        *(_whole_call(**{name: 4}) for name in ("program", "version", "type", "status")),
        PING,
    ],
)
def test_what_is_not_just_a_usual_call_is_left_to_be_received(pair: Pair, data: bytes) -> None:
    pair.server.receive(_whole_call())
    assert pair.server.usual(data) is None
    assert pair.server.between_messages


def test_no_call_is_usual_within_another_message(pair: Pair) -> None:
    pair.server.receive(_whole_call())
    call = _whole_call(3)
    assert pair.server.receive(call[:10]) == []
    assert pair.server.usual(call) is None
    (late,) = pair.server.receive(call[10:])
    assert isinstance(late, Call)
    assert pair.server.usual(call) is not None


def test_no_call_is_usual_beyond_the_longest_message(pair: Pair) -> None:
    pair.server.receive(_whole_call())
    pair.server.limit_length(27)
    assert pair.server.usual(_whole_call()) is None


def test_a_usual_call_is_a_sign_of_life(pair: Pair) -> None:
    pair.server.receive(_whole_call())
    pair.server.start_keepalive(5, 1)
    pair.clock.now += 4
    assert pair.server.usual(_whole_call()) is not None
    pair.clock.now += 4
    pair.server.tick()
    assert pair.server.data_to_send() == b""
