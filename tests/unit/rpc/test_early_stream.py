# SPDX-License-Identifier: Apache-2.0
"""libvirtd may send a stream's data before the reply that opens the stream."""

from __future__ import annotations

from virloom import procedures
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain
from virloom.rpc.connection import ClientConnection
from virloom.rpc.messages import Ignored, Reply, StreamData
from virloom.rpc.packet import Header, MessageStatus, MessageType, pack
from virloom.rpc.xdr import codec_for

SHOT = p.DOMAIN_SCREENSHOT
ARGS = p.DomainScreenshotArgs(NonnullDomain("web", b"w" * 16, 1), 0)


def packet(kind: MessageType, status: MessageStatus, serial: int, payload: bytes) -> bytes:
    """A packet of the screenshot's call."""
    header = Header(SHOT.program, 1, SHOT.number, int(kind), serial, int(status))
    return pack(header, payload)


def test_data_that_overtakes_its_reply_is_kept() -> None:
    client = ClientConnection(procedures.find)
    serial, _ = client.call(SHOT, ARGS)
    data = packet(MessageType.STREAM, MessageStatus.CONTINUE, serial, b"pixels")
    result = codec_for(p.DomainScreenshotRet).encode(p.DomainScreenshotRet("image/png"))
    reply = packet(MessageType.REPLY, MessageStatus.OK, serial, result)
    first, second = client.receive(data + reply)
    assert isinstance(first, StreamData)
    assert (first.serial, first.data) == (serial, b"pixels")
    assert isinstance(second, Reply)
    assert client.stream_open(serial)


def test_data_for_a_call_that_was_given_up_is_nobodys() -> None:
    client = ClientConnection(procedures.find)
    serial, _ = client.call(SHOT, ARGS)
    client.abandon(serial)
    data = packet(MessageType.STREAM, MessageStatus.CONTINUE, serial, b"pixels")
    [message] = client.receive(data)
    assert isinstance(message, Ignored)
