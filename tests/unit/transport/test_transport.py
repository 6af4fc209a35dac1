# SPDX-License-Identifier: Apache-2.0
"""The transports do the same, whatever carries the bytes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from virloom.rpc.packet import close_fds
from virloom.transport import (
    PeerIdentity,
    Transport,
    TransportClosed,
    connect_tcp,
    connect_unix,
    listen_tcp,
    listen_unix,
    memory_pair,
    serve,
)

Ends = tuple[Transport, Transport]


class Owner:
    """Keeps what a transport brings."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.data = bytearray()
        self.fds: list[int] = []
        self.pressure: list[bool] = []
        self.relieved = asyncio.Event()
        self.closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._news = asyncio.Event()
        transport.start(self._on_data, self.closed.set_result, self._on_pressure)

    def _on_data(self, data: bytes, fds: Sequence[int]) -> None:
        self.data += data
        self.fds += fds
        self._news.set()

    def _on_pressure(self, on: bool) -> None:
        self.pressure.append(on)
        if not on:
            self.relieved.set()

    async def until(self, size: int) -> bytes:
        while len(self.data) < size:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 10)
        return bytes(self.data)


@pytest.fixture(params=["memory", "unix", "tcp"])
async def ends(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ends]:
    if request.param == "memory":
        yield memory_pair()
        return
    accepted: asyncio.Future[Transport] = asyncio.get_running_loop().create_future()
    if request.param == "unix":
        listening = listen_unix(str(tmp_path / "sock"))
        connecting = connect_unix(str(tmp_path / "sock"))
    else:
        (listening,) = listen_tcp("127.0.0.1", 0)
        connecting = connect_tcp("127.0.0.1", listening.getsockname()[1])
    server = serve(listening, accepted.set_result)
    first = await connecting
    second = await asyncio.wait_for(accepted, 10)
    yield first, second
    server.close()
    first.abort()
    second.abort()


async def test_bytes_both_ways_and_an_orderly_end(ends: Ends) -> None:
    first, second = map(Owner, ends)
    ends[0].send(b"there")
    assert await second.until(5) == b"there"
    ends[1].send(b"and back")
    ends[1].close()
    assert await first.until(8) == b"and back"
    assert await asyncio.wait_for(first.closed, 10) is None
    assert await asyncio.wait_for(second.closed, 10) is None
    with pytest.raises(TransportClosed):
        ends[1].send(b"late")


async def test_much_at_once_presses_and_arrives(ends: Ends) -> None:
    first, second = map(Owner, ends)
    ends[1].pause_reading()
    data = os.urandom(1 << 20) * 12
    ends[0].send(data)
    assert first.pressure == [True]
    assert ends[0].unsent > ends[0].high_water
    assert second.data == b""
    ends[1].resume_reading()
    assert await second.until(len(data)) == data
    await asyncio.wait_for(first.relieved.wait(), 10)
    assert first.pressure == [True, False]


async def test_what_was_sent_before_a_close_arrives(ends: Ends) -> None:
    Owner(ends[0])
    second = Owner(ends[1])
    data = bytes(5 << 20)
    ends[0].send(data)
    ends[0].close()
    assert await second.until(len(data)) == data
    assert await asyncio.wait_for(second.closed, 10) is None


async def test_an_owner_that_fails_closes_with_its_reason(ends: Ends) -> None:
    closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    reason = ValueError("not what was agreed")

    def fail(data: bytes, fds: Sequence[int]) -> None:
        raise reason

    ends[1].start(fail, closed.set_result)
    first = Owner(ends[0])
    ends[0].send(b"x")
    assert await asyncio.wait_for(closed, 10) is reason
    assert await asyncio.wait_for(first.closed, 10) is None


async def test_descriptors_come_in_order_behind_their_data(ends: Ends) -> None:
    Owner(ends[0])
    second = Owner(ends[1])
    reading, writing = os.pipe()
    try:
        if not ends[0].carries_fds:
            with pytest.raises(ValueError, match="UNIX sockets only"):
                ends[0].send(b"data", [reading])
            return
        ends[1].pause_reading()
        data = bytes(3 << 20)
        ends[0].send(data, [reading, writing])
        ends[0].send(b"more")
        inodes = [os.fstat(fd).st_ino for fd in (reading, writing)]
    finally:
        os.close(reading)
        os.close(writing)
    ends[1].resume_reading()
    assert await second.until(len(data) + 6) == data + b"\0\0more"
    assert [os.fstat(fd).st_ino for fd in second.fds] == inodes
    assert not any(os.get_inheritable(fd) for fd in second.fds)
    os.write(second.fds[1], b"through")
    assert os.read(second.fds[0], 10) == b"through"
    close_fds(second.fds)


async def test_too_many_descriptors_in_one_message(tmp_path: Path) -> None:
    from virloom.host.fdpass import send_fds

    accepted: asyncio.Future[Transport] = asyncio.get_running_loop().create_future()
    server = serve(listen_unix(str(tmp_path / "s")), accepted.set_result)
    client = await connect_unix(str(tmp_path / "s"))
    owner = Owner(await asyncio.wait_for(accepted, 10))
    send_fds(client._socket, b"x", [0] * 33)
    assert isinstance(await asyncio.wait_for(owner.closed, 10), OSError)
    client.abort()
    server.close()


async def test_a_path_longer_than_a_socket_address(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100)
    folder.mkdir()
    path = str(folder / "virtqemud-sock")
    for _ in range(2):  # the second finds the first one's socket there, dead
        accepted: asyncio.Future[Transport] = asyncio.get_running_loop().create_future()
        server = serve(listen_unix(path, 0o660), accepted.set_result)
        assert os.stat(path).st_mode & 0o777 == 0o660
        client = await connect_unix(path)
        other = await asyncio.wait_for(accepted, 10)
        me = PeerIdentity(os.getpid(), os.getuid(), os.getgid())
        assert other.peer == client.peer == me
        client.abort()
        other.abort()
        server.close()


async def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await connect_unix(str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError):
        await connect_unix(str(tmp_path / ("x" * 120) / "none"))
    listen_unix(str(tmp_path / "dead")).close()
    with pytest.raises(ConnectionRefusedError):
        await connect_unix(str(tmp_path / "dead"))


async def test_a_full_queue_is_waited_for(tmp_path: Path) -> None:
    path = str(tmp_path / "busy")
    listening = listen_unix(path, backlog=0)
    first = await connect_unix(path)
    second = asyncio.ensure_future(connect_unix(path))
    await asyncio.wait([second], timeout=0.05)
    assert not second.done()
    accepted: list[Transport] = []
    server = serve(listening, accepted.append)
    waiting = await asyncio.wait_for(second, 10)
    assert waiting.peer.pid == os.getpid()
    for transport in (first, waiting, *accepted):
        transport.abort()
    server.close()


async def test_a_paused_server_leaves_them_waiting(tmp_path: Path) -> None:
    accepted: asyncio.Future[Transport] = asyncio.get_running_loop().create_future()
    server = serve(listen_unix(str(tmp_path / "s")), accepted.set_result)
    server.pause()
    client = await connect_unix(str(tmp_path / "s"))
    await asyncio.wait([accepted], timeout=0.05)
    assert not accepted.done()
    server.resume()
    (await asyncio.wait_for(accepted, 10)).abort()
    client.abort()
    server.close()
