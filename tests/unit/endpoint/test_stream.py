# SPDX-License-Identifier: Apache-2.0
"""Byte streams over descriptors, and ones that are all there."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from virloom.endpoint.stream import BytesStream, FdStream
from virloom.errors import OperationAborted, SystemFailure

BIG = 1 << 20


@pytest.fixture
def pair() -> Iterator[tuple[FdStream, socket.socket]]:
    """A stream and the other side of its socket."""
    ours, theirs = socket.socketpair()
    stream = FdStream(ours.detach())
    with theirs:
        yield stream, theirs
    stream.abort()


async def test_reads_what_comes(pair: tuple[FdStream, socket.socket]) -> None:
    stream, other = pair
    reading = asyncio.ensure_future(stream.read())
    await asyncio.to_thread(other.send, b"login: ")
    assert await reading == b"login: "


async def test_end_of_the_other_side_is_the_end(pair: tuple[FdStream, socket.socket]) -> None:
    stream, other = pair
    other.shutdown(socket.SHUT_WR)
    assert await stream.read() == b""


async def test_write_waits_for_a_slow_reader(pair: tuple[FdStream, socket.socket]) -> None:
    stream, other = pair
    data = os.urandom(BIG)
    writing = asyncio.ensure_future(stream.write(data))
    got = await asyncio.to_thread(_read_exactly, other, BIG)
    await writing
    assert got == data


def _read_exactly(other: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        parts += other.recv(size - len(parts))
    return bytes(parts)


async def test_cancelled_read_loses_nothing(pair: tuple[FdStream, socket.socket]) -> None:
    stream, other = pair
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stream.read(), 0.01)
    other.send(b"kept")
    assert await stream.read() == b"kept"


async def test_abort_wakes_the_reader_with_the_reason(
    pair: tuple[FdStream, socket.socket],
) -> None:
    stream, _ = pair
    reading = asyncio.ensure_future(stream.read())
    asyncio.get_running_loop().call_soon(stream.abort, OperationAborted("taken over"))
    with pytest.raises(OperationAborted, match="taken over"):
        await reading
    with pytest.raises(OperationAborted, match="taken over"):
        await stream.write(b"x")


async def test_finish_ends_a_waiting_read(pair: tuple[FdStream, socket.socket]) -> None:
    stream, _ = pair
    reading = asyncio.ensure_future(stream.read())
    await asyncio.gather(stream.finish(), return_exceptions=False)
    assert await asyncio.wait_for(reading, 5) == b""
    await stream.finish()
    assert stream.descriptor() is None


async def test_write_to_a_gone_reader_fails_with_errno(
    pair: tuple[FdStream, socket.socket],
) -> None:
    stream, other = pair
    other.close()
    with pytest.raises(SystemFailure, match="Broken pipe"):
        await stream.write(b"x" * BIG)


async def test_pty_whose_other_side_is_closed_is_at_its_end() -> None:
    master, slave = os.openpty()
    stream = FdStream(master)
    os.close(slave)
    assert await stream.read() == b""
    await stream.finish()


async def test_bytes_come_in_parts_and_then_the_end() -> None:
    stream = BytesStream(b"abcdef")
    parts = [await stream.read(4), await stream.read(4), await stream.read(4)]
    assert parts == [b"abcd", b"ef", b""]


async def test_bytes_cannot_be_written() -> None:
    with pytest.raises(OperationAborted):
        await BytesStream(b"").write(b"x")
