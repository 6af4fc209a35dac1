# SPDX-License-Identifier: Apache-2.0
"""Descriptors and messages in any order: each has one owner, and none is left."""

from __future__ import annotations

import os
import socket
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from virloom.host.fdpass import recv_fds
from virloom.rpc.packet import MAX_FDS, Framer, FramingError, Header, Packet, close_fds, pack

REMOTE = 0x20008086

#: Payload and number of descriptors of a message.
_MESSAGES = st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 5)), max_size=8)

#: Something that a hostile peer does: bytes, or a byte with descriptors.
_STEPS = st.lists(
    st.binary(min_size=1, max_size=40)
    | st.integers(1, 40)
    | st.builds(
        lambda count, payload: pack(
            Header(REMOTE, 1, 3, 4, 0, 0), struct.pack(">I", count) + payload
        ),
        st.integers(0, 40),
        st.binary(max_size=8),
    ),
    max_size=12,
)


def open_fds() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def message(serial: int, payload: bytes, count: int) -> bytes:
    kind = 4 if count else 0
    return pack(Header(REMOTE, 1, 3, kind, serial, 0), payload, count or None)


class Wire:
    """A pair of sockets, and what comes out of one of them."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.framer = Framer()

    def close(self) -> None:
        self.framer.close()
        self.near.close()
        self.far.close()

    def come(self, size: int) -> list[Packet]:
        """The messages that are whole by now, read in pieces of *size*."""
        found: list[Packet] = []
        try:
            while True:
                data, fds = recv_fds(self.near, size, MAX_FDS)
                found += self.framer.feed(data, fds)
        except BlockingIOError:
            return found
        except BaseException:
            for packet in found:
                close_fds(packet.fds)
            raise


@settings(max_examples=150, deadline=None, database=None)
@given(messages=_MESSAGES, size=st.integers(1, 200))
def test_every_message_gets_its_own(messages: list[tuple[bytes, int]], size: int) -> None:
    before = open_fds()
    wire = Wire()
    came: list[Packet] = []
    sent: list[list[int]] = []
    for serial, (payload, count) in enumerate(messages):
        wire.far.sendall(message(serial, payload, count))
        files = [os.memfd_create(f"{serial}.{number}") for number in range(count)]
        for fd in files:
            socket.send_fds(wire.far, [b"\0"], [fd])
        sent.append([os.fstat(fd).st_ino for fd in files])
        close_fds(files)
        came += wire.come(size)
    assert [(packet.header.serial, packet.payload) for packet in came] == [
        (serial, payload) for serial, (payload, _) in enumerate(messages)
    ]
    assert [[os.fstat(fd).st_ino for fd in packet.fds] for packet in came] == sent
    assert all(not os.get_inheritable(fd) for packet in came for fd in packet.fds)
    for packet in came:
        close_fds(packet.fds)
    wire.close()
    assert open_fds() == before


@settings(max_examples=300, deadline=None, database=None)
@given(steps=_STEPS, size=st.integers(1, 100))
def test_nothing_is_left_of_what_makes_no_sense(steps: list[bytes | int], size: int) -> None:
    before = open_fds()
    wire = Wire()
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        for step in steps:
            if isinstance(step, int):
                socket.send_fds(wire.far, [b"\0"], [null] * step)
            else:
                wire.far.sendall(step)
            for packet in wire.come(size):
                close_fds(packet.fds)
    except (FramingError, OSError):
        pass  # cut off: as it should be, or too many at once
    finally:
        os.close(null)
        wire.close()
    assert open_fds() == before
