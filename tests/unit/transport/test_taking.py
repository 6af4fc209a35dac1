# SPDX-License-Identifier: Apache-2.0
"""What comes on a socket, taken by a thread: in order, with nothing lost before and after."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from virloom.host.fdpass import send_fds
from virloom.transport import memory_pair
from virloom.transport.taking import _THREADS
from virloom.transport.unix import SocketTransport, unix_peer


class Socket:
    """One that is read by its owner and by threads; and its peer."""

    def __init__(self) -> None:
        near, self.peer = socket.socketpair()
        self.transport = SocketTransport(near, unix_peer(near))
        self.closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.came = b""
        self.news = asyncio.Event()
        self.transport.start(self._came, self._closed)
        self.taken = b""
        self.threads: set[int] = set()
        self.over: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()

    def _came(self, data: bytes, fds: Sequence[int]) -> None:
        assert not fds
        self.came += data
        self.news.set()

    def _closed(self, error: Exception | None) -> None:
        assert self.over.done() or not self.threads  # in this order
        self.closed.set_result(error)

    def take(self, data: memoryview) -> bool:
        self.threads.add(threading.get_ident())
        self.taken += bytes(data)
        return b"." not in self.taken

    def _over(self, fds: Sequence[int]) -> None:
        self.over.set_result(list(fds))

    def begin(self) -> bool:
        return self.transport.take_by_thread(self.take, self._over)

    async def until_over(self) -> list[int]:
        return await asyncio.wait_for(self.over, 10)


@pytest.fixture
async def sockets() -> AsyncIterator[list[Socket]]:
    before = len(os.listdir("/proc/self/fd"))
    made = [Socket() for _ in range(_THREADS + 1)]
    yield made
    for each in made:
        each.peer.close()
        await asyncio.wait_for(each.closed, 10)
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_thread_has_it_until_it_wants_no_more(sockets: list[Socket]) -> None:
    one = sockets[0]
    one.peer.send(b"first")
    assert one.begin()
    assert not one.begin()
    one.peer.send(b" more")
    await asyncio.sleep(0.1)  # longer than it waits for more, so this one is the owner's
    assert await one.until_over() == []
    one.peer.send(b"last")
    async with asyncio.timeout(10):
        while not one.came.endswith(b"last"):
            one.news.clear()
            await one.news.wait()
    assert one.taken + one.came == b"first morelast"
    assert threading.get_ident() not in one.threads


async def test_what_it_leaves_is_the_owners(sockets: list[Socket]) -> None:
    one = sockets[0]
    one.peer.send(b"one.")
    assert one.begin()
    assert await one.until_over() == []
    one.peer.send(b"two")
    await asyncio.wait_for(one.news.wait(), 10)
    assert (one.taken, one.came) == (b"one.", b"two")


async def test_descriptors_end_it(sockets: list[Socket]) -> None:
    one = sockets[0]
    send_fds(one.peer, b"x", [1])
    assert one.begin()
    (fd,) = await one.until_over()
    os.close(fd)
    assert one.taken == b"x"


async def test_too_many_descriptors_end_the_connection(sockets: list[Socket]) -> None:
    one = sockets[0]
    send_fds(one.peer, b"x", [1] * 40)
    assert one.begin()
    assert await one.until_over() == []
    assert isinstance(await asyncio.wait_for(one.closed, 10), OSError)


@pytest.mark.parametrize("who", ["we", "we in order", "they"])
async def test_an_end_meanwhile(sockets: list[Socket], who: str) -> None:
    one = sockets[0]
    assert one.begin()
    if who == "they":
        one.peer.close()
    elif who == "we":
        one.transport.abort()
    else:
        one.transport.close()
    assert await one.until_over() == []
    assert await asyncio.wait_for(one.closed, 10) is None


async def test_one_that_is_stuck_holds_up_no_other(sockets: list[Socket]) -> None:
    """Its place is taken; whoever finds none reads on by itself. It is closed when it is done."""
    *stuck, other = sockets
    go = threading.Event()
    for each in stuck:
        each.peer.send(b"stuck")
        each.threads.add(0)
        assert each.transport.take_by_thread(lambda data: go.wait(10) and not data, each._over)
    assert not other.begin()
    other.peer.send(b"hey")
    await asyncio.wait_for(other.news.wait(), 10)
    stuck[0].transport.abort()
    await asyncio.sleep(0.01)
    assert not stuck[0].closed.done()
    go.set()
    assert await asyncio.wait_for(stuck[0].closed, 10) is None
    for each in stuck:
        assert await each.until_over() == []
    async with asyncio.timeout(10):
        while not other.begin():  # the place comes back a moment later
            await asyncio.sleep(0.01)
    other.peer.send(b".")
    await other.until_over()


async def test_one_that_is_paused_stays_so(sockets: list[Socket]) -> None:
    """What is taken is what its owner wants taken."""
    one = sockets[0]
    one.transport.pause_reading()
    assert one.begin()
    one.peer.send(b"taken.")
    await one.until_over()
    one.peer.send(b"not read")
    await asyncio.sleep(0.02)
    assert (one.taken, one.came) == (b"taken.", b"")
    one.transport.resume_reading()
    await asyncio.wait_for(one.news.wait(), 10)


async def test_memory_has_none() -> None:
    near, far = memory_pair()
    near.start(lambda data, fds: None, lambda error: None)
    assert not near.take_by_thread(lambda data: True, lambda fds: None)
    near.abort()
    far.abort()
