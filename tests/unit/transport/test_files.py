# SPDX-License-Identifier: Apache-2.0
"""Files that a socket sends by itself: in whole messages, with others between, to their end."""

from __future__ import annotations

import asyncio
import os
import struct
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from virloom.transport import (
    Transport,
    TransportClosed,
    connect_tcp,
    connect_unix,
    listen_tcp,
    listen_unix,
    memory_pair,
    serve,
)

MOST = 1000
SIZE = 3_000_500


def head(kind: bytes, size: int) -> bytes:
    """A letter and a length."""
    return kind + struct.pack(">I", size)


class Reader:
    """Takes the messages apart; those of each kind by their content."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.came = bytearray()
        self.messages: list[tuple[bytes, bytes]] = []
        self.closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._news = asyncio.Event()
        transport.start(self._on_data, self.closed.set_result)

    def _on_data(self, data: bytes, fds: Sequence[int]) -> None:
        self.came += data
        while len(self.came) >= 5:
            kind, size = bytes(self.came[:1]), struct.unpack_from(">I", self.came, 1)[0]
            if len(self.came) < 5 + size:
                break
            self.messages.append((kind, bytes(self.came[5 : 5 + size])))
            del self.came[: 5 + size]
        self._news.set()

    def of(self, kind: bytes) -> bytes:
        """All that came of one kind."""
        return b"".join(content for found, content in self.messages if found == kind)

    async def until(self, kind: bytes, size: int) -> bytes:
        """What came of one kind, once it is so much."""
        async with asyncio.timeout(10):
            while len(self.of(kind)) < size:
                self._news.clear()
                await self._news.wait()
        return self.of(kind)


@pytest.fixture(params=["unix", "tcp"])
async def pair(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[Transport, Reader]]:
    """Who sends, and who reads; both are gone at the end."""
    accepted: asyncio.Future[Transport] = asyncio.get_running_loop().create_future()
    if request.param == "unix":
        listening = listen_unix(str(tmp_path / "sock"))
        connecting = connect_unix(str(tmp_path / "sock"))
    else:
        (listening,) = listen_tcp("127.0.0.1", 0)
        connecting = connect_tcp("127.0.0.1", listening.getsockname()[1])
    server = serve(listening, accepted.set_result)
    reader = Reader(await connecting)
    sender = await asyncio.wait_for(accepted, 10)
    gone: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    sender.start(lambda data, fds: None, gone.set_result)
    before = len(os.listdir("/proc/self/fd"))
    yield sender, reader
    server.close()
    sender.abort()
    reader.transport.abort()
    await asyncio.wait_for(asyncio.gather(gone, reader.closed), 10)
    assert len(os.listdir("/proc/self/fd")) == before - 3


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(SIZE))
    return path


async def send(sender: Transport, kind: bytes, path: Path, offset: int, length: int) -> None:
    """Sends a part of a file, which is closed when all of it has gone or it was given up."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        await sender.send_file(lambda size: head(kind, size), MOST, descriptor, offset, length)
    finally:
        os.close(descriptor)


async def test_two_files_and_messages_between(pair: tuple[Transport, Reader], file: Path) -> None:
    sender, reader = pair
    assert sender.carries_files
    files = asyncio.gather(send(sender, b"a", file, 0, SIZE), send(sender, b"b", file, 500, 70_000))
    said = b""
    while not files.done():
        sender.send(head(b"m", 3) + b"hey")
        said += b"hey"
        await asyncio.sleep(0.001)
    await files
    content = file.read_bytes()
    assert await reader.until(b"a", SIZE) == content
    assert await reader.until(b"b", 70_000) == content[500:70_500]
    assert await reader.until(b"m", len(said)) == said
    assert reader.messages.index((b"m", b"hey")) < len(reader.messages) - 100
    assert max(len(content) for _, content in reader.messages) == MOST


async def test_a_file_that_is_given_up(pair: tuple[Transport, Reader], file: Path) -> None:
    """Its last message is whole, and others go on."""
    sender, reader = pair
    reader.transport.pause_reading()
    sending = asyncio.ensure_future(send(sender, b"a", file, 0, SIZE))
    waiting = asyncio.ensure_future(send(sender, b"b", file, 0, SIZE))
    await asyncio.sleep(0.5)  # longer than a thread waits for room, or for its turn
    assert not sending.done()
    for each in (sending, waiting):
        each.cancel()
    sender.send(head(b"m", 3) + b"end")
    reader.transport.resume_reading()
    assert await reader.until(b"m", 3) == b"end"
    for sent in (reader.of(b"a"), reader.of(b"b")):
        assert 0 < len(sent) < SIZE
        assert sent == file.read_bytes()[: len(sent)]
    assert reader.came == b""


async def test_a_file_that_becomes_shorter(pair: tuple[Transport, Reader], file: Path) -> None:
    """What was begun is as long as it said; the one who sends is told."""
    sender, reader = pair
    with pytest.raises(OSError, match="has become shorter"):
        await send(sender, b"a", file, SIZE - 1500, 8000)
    sender.send(head(b"m", 3) + b"end")
    await reader.until(b"m", 3)
    assert reader.of(b"a") == file.read_bytes()[-1500:] + bytes(500)


async def test_a_file_that_cannot_be_sent_as_it_is(
    pair: tuple[Transport, Reader], file: Path
) -> None:
    """As those of some file systems, it is copied."""
    sender, reader = pair
    status = Path("/proc/self/cgroup")  # no page of it is in memory
    size = len(status.read_bytes())
    await send(sender, b"a", status, 0, size)
    assert await reader.until(b"a", size) == status.read_bytes()


@pytest.mark.parametrize("who", ["we", "they"])
async def test_an_end_in_the_middle(pair: tuple[Transport, Reader], file: Path, who: str) -> None:
    sender, reader = pair
    reader.transport.pause_reading()
    sending = asyncio.ensure_future(send(sender, b"a", file, 0, SIZE))
    await asyncio.sleep(0.01)
    (sender if who == "we" else reader.transport).abort()
    with pytest.raises(TransportClosed):
        await asyncio.wait_for(sending, 10)


async def test_what_was_begun_ends_before_a_close(
    pair: tuple[Transport, Reader], file: Path
) -> None:
    sender, reader = pair
    reader.transport.pause_reading()
    sending = asyncio.ensure_future(send(sender, b"a", file, 0, SIZE))
    await asyncio.sleep(0.01)
    sender.send(head(b"m", 3) + b"end")
    sender.close()
    reader.transport.resume_reading()
    assert await reader.until(b"m", 3) == b"end"
    assert reader.of(b"a") == file.read_bytes()[: len(reader.of(b"a"))]
    with pytest.raises(TransportClosed):
        await asyncio.wait_for(sending, 10)
    with pytest.raises(TransportClosed):
        await send(sender, b"b", file, 0, 10)


async def test_memory_carries_none(file: Path) -> None:
    near, far = memory_pair()
    assert not near.carries_files
    with pytest.raises(ValueError, match="carries no files"):
        await send(near, b"a", file, 0, 10)
    near.abort()
    far.abort()
