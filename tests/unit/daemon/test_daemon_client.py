# SPDX-License-Identifier: Apache-2.0
"""One client of a daemon: answered as libvirtd answers (captures.json), and kept in bounds."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from virloom.daemon.limits import Limits
from virloom.procedures import connect, domain
from virloom.procedures.record import Void
from virloom.procedures.types import NonnullDomain
from virloom.rpc.errors import decode_error
from virloom.rpc.messages import Reply, StreamData, StreamFinished
from virloom.rpc.packet import Framer, Header, pack

REMOTE = 0x20008086
ROOT = Path(__file__).parents[3]
PROBES = json.loads((ROOT / "data/protocol/captures.json").read_text())["server_probes"]


async def ask(peer: Any, *header: int, payload: bytes = b"") -> tuple[int, int, str]:
    """Code, domain and message of what a message made by hand is answered."""
    framer, answer = Framer(), asyncio.get_running_loop().create_future()

    def data(received: bytes) -> None:
        for packet in framer.feed(received):
            answer.set_result(packet)

    peer.tap = data
    program, version, procedure, kind, serial, status = header
    peer.transport.send(pack(Header(program, version, procedure, kind, serial, status), payload))
    async with asyncio.timeout(5):
        packet = await answer
    assert packet.header.status == 1
    assert packet.header.serial == serial
    error = decode_error(packet.payload)
    return error.code, int(error.domain), error.message


def seen(probe: str) -> tuple[int, int, str]:
    """What libvirtd 9.0.0 answered to it."""
    error = PROBES[probe]["error"]
    return error["code"], error["domain"], error["message"]


@pytest.mark.parametrize(
    ("probe", "header"),
    [
        ("unknown_procedure_9999", (REMOTE, 1, 9999, 0, 2, 0)),
        ("procedure_0", (REMOTE, 1, 0, 0, 3, 0)),
        ("wrong_version_2", (REMOTE, 2, 3, 0, 2, 0)),
        ("unknown_program", (0x12345678, 1, 3, 0, 2, 0)),
        ("status_error_in_call", (REMOTE, 1, 3, 0, 2, 1)),
        ("short_args_lookup_by_name", (REMOTE, 1, 23, 0, 2, 0)),
        ("keepalive_ping_type_call", (0x6B656570, 1, 1, 0, 8, 0)),
        ("open_twice", (REMOTE, 1, 1, 0, 2, 0)),
    ],
)
async def test_what_is_wrong_is_answered_as_by_libvirtd(
    connect_peer: Any, probe: str, header: tuple[int, ...]
) -> None:
    peer = connect_peer()
    await peer.open()
    payload = b"\0" * 8 if probe == "open_twice" else b""
    assert await ask(peer, *header, payload=payload) == seen(probe)


@pytest.mark.parametrize(("probe", "number"), [("call_before_open", 3), ("unauth_proc_60", 60)])
async def test_before_authentication(connect_peer: Any, probe: str, number: int) -> None:
    assert await ask(connect_peer(), REMOTE, 1, number, 0, 0, 0) == seen(probe)


async def test_a_way_of_authentication_that_is_not_offered(connect_peer: Any) -> None:
    answer = await ask(connect_peer(), REMOTE, 1, 67, 0, 0, 0)
    assert answer[:2] == seen("unauth_proc_67")[:2]


async def test_features_before_the_driver_is_open(connect_peer: Any) -> None:
    peer = connect_peer()
    await peer.call(connect.AUTH_LIST, Void())
    args = connect.ConnectSupportsFeatureArgs
    assert (await peer.call(connect.CONNECT_SUPPORTS_FEATURE, args(10))).supported == 1
    error = await peer.call(connect.CONNECT_SUPPORTS_FEATURE, args(14))
    assert (error.code, error.message) == (1, "internal error: hypervisor connection not open")


async def test_another_driver_is_not_opened(connect_peer: Any) -> None:
    peer = connect_peer()
    await peer.call(connect.AUTH_LIST, Void())
    args = connect.ConnectOpenArgs("nosuch:///x", 0)
    error = await peer.call(connect.CONNECT_OPEN, args)
    assert (error.code, int(error.domain), error.message) == seen("open_bad_uri")


async def test_a_read_only_client_may_not_write(connect_peer: Any) -> None:
    peer = connect_peer(readonly=True)
    await peer.open()
    error = await peer.call(domain.DOMAIN_CREATE_XML, domain.DomainCreateXMLArgs("<x/>", 0))
    assert (error.code, int(error.domain), error.message) == seen("ro_write_call_domain_create_xml")
    assert (await peer.call(connect.CONNECT_GET_TYPE, Void())).type == "FAKE"


async def test_close_is_answered_and_ends_the_session(connect_peer: Any) -> None:
    peer = connect_peer()
    await peer.open()
    await peer.call(connect.CONNECT_REGISTER_CLOSE_CALLBACK, Void())
    assert await peer.call(connect.CONNECT_CLOSE, Void()) == Void()
    async with asyncio.timeout(5):
        await peer.closed.wait()
        await peer.client.gone
    assert peer.service.handlers.closed == ["closed"]


async def test_no_more_calls_run_at_once_than_allowed(connect_peer: Any) -> None:
    peer = connect_peer(Limits(requests=3))
    await peer.open()
    for _ in range(10):
        peer.send(domain.CONNECT_NUM_OF_DOMAINS, Void())
    async with asyncio.timeout(5):
        await peer.service.handlers.busy.wait()
    peer.service.handlers.go.set()
    async with asyncio.timeout(5):
        answers = [(await peer.came.get()).result.num for _ in range(10)]
    assert answers == [7] * 10
    assert peer.service.handlers.most == 3


async def test_a_frame_out_of_bounds_cuts_the_connection(connect_peer: Any) -> None:
    peer = connect_peer()
    await peer.open()
    peer.transport.send(b"\0\0\0\x1b" + b"\0" * 40)
    async with asyncio.timeout(5):
        await peer.closed.wait()


async def test_no_long_message_before_authentication(connect_peer: Any) -> None:
    peer = connect_peer()
    peer.transport.send((65537).to_bytes(4, "big"))
    async with asyncio.timeout(5):
        await peer.closed.wait()


async def test_who_does_not_authenticate_is_sent_away(connect_peer: Any) -> None:
    peer = connect_peer(Limits(anonymous_seconds=0.01))
    async with asyncio.timeout(5):
        await peer.closed.wait()


async def test_descriptors_that_nobody_needs_are_closed(connect_peer: Any) -> None:
    peer = connect_peer()
    await peer.open()
    reader, writer = os.pipe()
    _, data = peer.connection.call(connect.CONNECT_GET_TYPE, Void(), (writer,))
    peer.transport.send(data, (writer,))
    os.close(writer)
    async with asyncio.timeout(5):
        assert (await peer.came.get()).result.type == "FAKE"
    assert os.read(reader, 1) == b""  # the other side's copy is closed
    os.close(reader)


def screenshot_args() -> domain.DomainScreenshotArgs:
    return domain.DomainScreenshotArgs(NonnullDomain("x", b"\0" * 16, 1), 0, 0)


async def test_a_stream_comes_whole_and_is_finished(connect_peer: Any) -> None:
    peer = connect_peer()
    await peer.open()
    serial = peer.send(domain.DOMAIN_SCREENSHOT, screenshot_args())
    async with asyncio.timeout(5):
        assert (await peer.came.get()).result.mime == "image/test"
        parts = []
        while data := (await peer.came.get()).data:
            parts.append(data)
        assert b"".join(parts) == peer.service.handlers.screen
        peer.transport.send(peer.connection.stream_finish(serial))
        assert isinstance(await peer.came.get(), StreamFinished)


async def test_an_aborted_stream_is_confirmed(connect_peer: Any) -> None:
    peer = connect_peer()
    await peer.open()
    serial = peer.send(domain.DOMAIN_SCREENSHOT, screenshot_args())
    async with asyncio.timeout(5):
        await peer.came.get()
        peer.transport.send(peer.connection.stream_abort(serial))
        while isinstance(message := await peer.came.get(), StreamData):
            continue
        assert isinstance(message, StreamFinished)


async def test_an_endless_stream_is_aborted_and_holds_no_call_up(connect_peer: Any) -> None:
    peer = connect_peer()
    await peer.open()
    args = domain.DomainOpenConsoleArgs(NonnullDomain("x", b"\0" * 16, 1), None, 0)
    serial = peer.send(domain.DOMAIN_OPEN_CONSOLE, args)
    async with asyncio.timeout(10):
        for _ in range(20):  # more than waits in between
            await peer.came.get()
        peer.send(connect.CONNECT_GET_TYPE, Void())
        while not isinstance(message := await peer.came.get(), Reply):
            continue
        assert message.result.type == "FAKE"
        peer.transport.send(peer.connection.stream_abort(serial))
        while not isinstance(message := await peer.came.get(), StreamFinished):
            continue


async def test_a_client_that_never_reads_is_cut_off(connect_peer: Any) -> None:
    peer = connect_peer(Limits(unsent=3 << 20))
    await peer.open()
    peer.transport.pause_reading()
    peer.send(domain.CONNECT_DOMAIN_EVENT_REGISTER, Void())
    async with asyncio.timeout(5):
        await peer.client.gone
