# SPDX-License-Identifier: Apache-2.0
"""Messages in a byte stream, whole, in pieces, and hostile."""

from __future__ import annotations

import os
import struct

import pytest

from virloom.rpc.packet import (
    HEADER_SIZE,
    MAX_LENGTH,
    Framer,
    FramingError,
    Header,
    MessageStatus,
    MessageType,
    Piece,
    pack,
)

HEADER = Header(0x20008086, 1, 23, MessageType.CALL, 7, MessageStatus.OK)
WITH_FDS = HEADER._replace(type=MessageType.CALL_WITH_FDS)


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def null() -> int:
    return os.open(os.devnull, os.O_RDONLY)


def test_layout() -> None:
    assert pack(HEADER, b"\0\0\0\5") == bytes.fromhex(
        "00000020 20008086 00000001 00000017 00000000 00000007 00000000 00000005"
    )


def test_every_way_to_cut_the_stream() -> None:
    stream = b"".join(pack(HEADER._replace(serial=n), bytes(n)) for n in range(5))
    for size in range(1, len(stream) + 1):
        framer = Framer()
        packets = []
        for at in range(0, len(stream), size):
            packets += framer.feed(stream[at : at + size])
        assert [packet.header.serial for packet in packets] == list(range(5))
        assert [len(packet.payload) for packet in packets] == list(range(5))
        assert framer.buffered == 0


@pytest.mark.parametrize("size", [1, 27, 250, 283, 284, 285, 700, 1500, 9000])
def test_data_of_a_stream_in_pieces(size: int) -> None:
    """Without a copy, before the packet is all there; what is no such data comes whole."""
    data = HEADER._replace(type=MessageType.STREAM, status=MessageStatus.CONTINUE)
    end = data._replace(status=MessageStatus.OK)
    content = os.urandom(4000)
    sent = [
        (HEADER, content[:600]), (data, content[:2900]), (data._replace(serial=8), content[:300]),
        (data._replace(type=MessageType.STREAM_HOLE), content[:12]), (data, content[2900:]),
        (end, content[:400]),
    ]  # fmt: skip
    stream = b"".join(pack(header, payload) for header, payload in sent)
    framer, found, pieces = Framer(pieces=True), [], 0
    for at in range(0, len(stream), size):
        for packet in framer.feed(stream[at : at + size]):
            came = bytes(packet.piece) if isinstance(packet, Piece) else packet.payload
            pieces += isinstance(packet, Piece)
            if found and found[-1][0] == packet.header:
                found[-1] = (packet.header, found[-1][1] + came)
            else:
                found.append((packet.header, came))
    assert found == sent
    assert framer.between_messages
    assert pieces or size != 1500


@pytest.mark.parametrize("length", [0, 3, 4, 27, MAX_LENGTH + 1, 2**32 - 1])
def test_length_out_of_bounds(length: int) -> None:
    with pytest.raises(FramingError):
        Framer().feed(struct.pack(">I", length))


def test_length_at_its_bounds() -> None:
    assert len(Framer().feed(pack(HEADER))) == 1
    assert Framer().feed(struct.pack(">I", MAX_LENGTH)) == []
    with pytest.raises(FramingError):
        Framer(1000).feed(struct.pack(">I", 1001))
    with pytest.raises(FramingError):
        pack(HEADER, bytes(MAX_LENGTH - HEADER_SIZE + 1))


def test_descriptors_follow_their_message() -> None:
    first, second = null(), null()
    framer = Framer()
    message = pack(WITH_FDS, b"args", 2)
    assert framer.feed(message) == []
    assert framer.feed(b"\0", [first]) == []
    packets = framer.feed(b"\0" + pack(HEADER), [second])
    assert [list(packet.fds) for packet in packets] == [[first, second], []]
    assert packets[0].payload == b"args"
    os.close(first)
    os.close(second)


def test_descriptors_that_nobody_announced_are_closed() -> None:
    stray = null()
    assert len(Framer().feed(pack(HEADER), [stray])) == 1
    assert not is_open(stray)


def test_descriptors_are_closed_with_the_connection() -> None:
    kept = null()
    framer = Framer()
    framer.feed(pack(WITH_FDS, b"", 2) + b"\0", [kept])
    assert is_open(kept)
    framer.close()
    assert not is_open(kept)


def test_announced_descriptors_that_do_not_come() -> None:
    with pytest.raises(FramingError, match="1 descriptors were announced, 0 came"):
        Framer().feed(pack(WITH_FDS, b"", 1) + b"\0")
    with pytest.raises(FramingError, match="33 descriptors"):
        Framer().feed(pack(WITH_FDS, struct.pack(">I", 33)))
    with pytest.raises(FramingError, match="does not say how many"):
        Framer().feed(pack(WITH_FDS, b"\0"))
