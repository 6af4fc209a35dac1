# SPDX-License-Identifier: Apache-2.0
"""How many clients a daemon takes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from virloom.daemon.limits import Limits
from virloom.daemon.server import Server
from virloom.rpc.packet import Header, pack
from virloom.transport.unix import listen_unix

_HELLO = pack(Header(0x20008086, 1, 66, 0, 0, 0))


@asynccontextmanager
async def serving(
    service: Any, directory: Path, limits: Limits
) -> AsyncIterator[tuple[Server, Callable[[], Any]]]:
    """A server, and what connects to it."""
    path = str(directory / "sock")
    server = Server(service, limits)
    server.listen(listen_unix(path), readonly=False)
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(path)
        writers.append(writer)
        writer.write(_HELLO)
        return reader, writer

    try:
        async with asyncio.timeout(10):
            yield server, connect
    finally:
        await server.close()
        for writer in writers:
            writer.close()


@pytest.fixture
async def service(connect_peer: Any) -> Any:
    """The small driver of the other tests."""
    return connect_peer().service


async def test_one_client_too_many_is_sent_away(service: Any, tmp_path: Path) -> None:
    async with serving(service, tmp_path, Limits(clients=2)) as (server, connect):
        first, _ = await connect()
        second, _ = await connect()
        assert len(await first.readexactly(36)) == len(await second.readexactly(36))
        third, _ = await connect()
        with contextlib.suppress(ConnectionError):  # what it had sent was not read
            assert await third.read() == b""
        assert server.clients == 2


async def test_a_place_becomes_free(service: Any, tmp_path: Path) -> None:
    async with serving(service, tmp_path, Limits(clients=1)) as (server, connect):
        for _ in range(3):
            reader, writer = await connect()
            await reader.readexactly(36)
            # CONNECT_CLOSE: when its answer and the end are there, the place is free again.
            writer.write(pack(Header(0x20008086, 1, 2, 0, 1, 0)))
            assert len(await reader.read()) == 28
        assert server.clients == 0


async def test_who_does_not_authenticate_holds_up_the_others(service: Any, tmp_path: Path) -> None:
    limits = Limits(anonymous=1, anonymous_seconds=0.2)
    async with serving(service, tmp_path, limits) as (_, connect):
        silent, writer = await asyncio.open_unix_connection(str(tmp_path / "sock"))
        reader, _ = await connect()
        assert len(await reader.readexactly(36)) == 36  # after the silent one's time is up
        assert await silent.read() == b""
        writer.close()
