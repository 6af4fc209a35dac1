# SPDX-License-Identifier: Apache-2.0
"""Clients that are ready in the same turn of the loop: each has its answer, in its order."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.sparse import FakeService
from virloom.daemon.limits import Limits
from virloom.daemon.server import Server
from virloom.endpoint.dispatch import Call, serves
from virloom.procedures import VOID, connect, find
from virloom.procedures.record import Procedure, Record
from virloom.rpc.connection import ClientConnection
from virloom.rpc.messages import Reply
from virloom.transport.unix import listen_unix

VERSION = connect.ConnectGetLibVersionRet(9)
_CLIENTS = 8


class Handlers:
    """Tells a number."""

    @serves(connect.CONNECT_GET_LIB_VERSION)
    def version(self, call: Call, args: Record) -> connect.ConnectGetLibVersionRet:
        return VERSION


class Peer:
    """A client that does not wait for its answers."""

    def __init__(self, path: str) -> None:
        self.connection = ClientConnection(find)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.setblocking(False)
        self.socket.connect(path)

    def send(self, *calls: tuple[Procedure, Record]) -> None:  # type: ignore[type-arg] # of all kinds
        self.socket.send(b"".join(self.connection.call(*call)[1] for call in calls))

    async def answers(self, count: int) -> list[Reply]:
        """So many, or those before the end."""
        loop = asyncio.get_running_loop()
        found: list[Reply] = []
        while len(found) < count:
            data = await asyncio.wait_for(loop.sock_recv(self.socket, 1 << 16), 5)
            if not data:
                break
            found += [m for m in self.connection.receive(data) if isinstance(m, Reply)]
        return found


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[list[Peer]]:
    before = len(os.listdir("/proc/self/fd"))
    server = Server(FakeService(Handlers()), Limits())
    path = str(tmp_path / "sock")
    server.listen(listen_unix(path), readonly=False)
    made = [Peer(path) for _ in range(_CLIENTS)]
    for peer in made:
        peer.send((connect.AUTH_LIST, VOID))
        await peer.answers(1)
        peer.send((connect.CONNECT_OPEN, connect.ConnectOpenArgs("fake:///", 0)))
        await peer.answers(1)
    yield made
    for peer in made:
        peer.socket.close()
    await server.close()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_all_are_answered(peers: list[Peer]) -> None:
    version = connect.CONNECT_GET_LIB_VERSION, VOID
    for count in (1, 3, 2):
        for peer in peers:
            peer.send(*[version] * count)
        for peer in peers:
            answers = await peer.answers(count)
            assert [reply.result for reply in answers] == [VERSION] * count
            assert [reply.serial for reply in answers] == sorted(r.serial for r in answers)


async def test_the_last_answer_comes_before_the_end(peers: list[Peer]) -> None:
    version, close = (connect.CONNECT_GET_LIB_VERSION, VOID), (connect.CONNECT_CLOSE, VOID)
    for peer in peers:
        peer.send(version)
    for peer in peers:
        await peer.answers(1)
    for peer in peers:
        peer.send(version)
        peer.send(close)
    for peer in peers:
        assert len(await peer.answers(3)) == 2  # and then the end


async def test_one_that_talks_nonsense_costs_nobody_an_answer(peers: list[Peer]) -> None:
    version = connect.CONNECT_GET_LIB_VERSION, VOID
    for number, peer in enumerate(peers):
        if number % 2:
            peer.socket.send(b"nonsense" * 8)
        else:
            peer.send(version)
    for number, peer in enumerate(peers):
        assert len(await peer.answers(1)) == (0 if number % 2 else 1)
