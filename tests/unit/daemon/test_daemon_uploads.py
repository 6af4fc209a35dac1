# SPDX-License-Identifier: Apache-2.0
"""Uploads to files over a real socket: whole, with calls between, behind the end, left behind."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.unit.daemon.file_daemon import FileDaemon, FileHandlers, answers, client_of, serving
from virloom.drivers.storage.transfer import VolumeStream, open_volume
from virloom.endpoint.dispatch import Call, serves
from virloom.endpoint.remote import RemoteEndpoint
from virloom.endpoint.stream import StreamEnd
from virloom.errors import OperationAborted, SystemFailure
from virloom.procedures import storage
from virloom.procedures.storage import NonnullStorageVol

MIB = 1 << 20


class Watched(VolumeStream):
    """Knows which threads write, and waits where it is told to."""

    go: threading.Event
    by: set[str]

    def put(self, parts: Sequence[memoryview]) -> None:
        assert self.go.wait(10)
        self.by.add(threading.current_thread().name.split("_")[0])
        super().put(parts)


class Files(FileHandlers):
    """A volume for each name, of 8 MiB at most."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.open: dict[str, Watched] = {}
        self.came: dict[str, int] = {}
        self.go = threading.Event()
        self.go.set()
        self.by: set[str] = set()

    @serves(storage.STORAGE_VOL_UPLOAD)
    def upload(self, call: Call, args: storage.StorageVolUploadArgs) -> None:
        name = args.vol.name

        def closed() -> None:
            self.came[name] = self.open.pop(name).position

        path = self.directory / name
        path.touch()
        stream = Watched(
            open_volume(str(path), args.offset, writing=True), args.offset, args.length,
            sparse=call.sparse, closed=closed, end=8 * MIB,
        )  # fmt: skip
        stream.go, stream.by = self.go, self.by
        self.open[name] = stream
        call.attach_stream(stream)

    def content(self, name: str) -> bytes:
        return (self.directory / name).read_bytes()

    async def until_closed(self) -> None:
        async with asyncio.timeout(10):
            while self.open:
                await asyncio.sleep(0.01)


Daemon = FileDaemon[Files]


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with serving(tmp_path, Files(tmp_path)) as daemon:
        yield daemon
        daemon.files.go.set()


@pytest.fixture
async def endpoint(daemon: Daemon) -> AsyncIterator[RemoteEndpoint]:
    async with client_of(daemon) as endpoint:
        yield endpoint


async def upload(
    endpoint: RemoteEndpoint, name: str, offset: int = 0, length: int = 0, flags: int = 0
) -> StreamEnd:
    volume = NonnullStorageVol("pool", name, name)
    args = storage.StorageVolUploadArgs(volume, offset, length, flags)
    return (await endpoint.open_stream(storage.STORAGE_VOL_UPLOAD, args))[1]


async def send(stream: StreamEnd, data: bytes, step: int) -> None:
    async with asyncio.timeout(20):
        for at in range(0, len(data), step):
            await stream.write(data[at : at + step])
        await stream.finish()


async def test_several_at_once_and_calls_between(daemon: Daemon, endpoint: RemoteEndpoint) -> None:
    sent = {f"v{number}": os.urandom(7 * MIB + number) for number in range(4)}
    steps = dict(zip(sent, (262120, 100_001, 5_000, MIB), strict=True))
    other = await daemon.client()
    streams = {
        name: await upload(other if name == "v3" else endpoint, name, number % 3)
        for number, name in enumerate(sent)
    }
    sending = asyncio.gather(
        *(send(streams[name], data, steps[name]) for name, data in sent.items())
    )
    while not sending.done():
        assert await answers(endpoint)
    await sending
    for number, (name, data) in enumerate(sent.items()):
        assert daemon.files.content(name) == bytes(number % 3) + data
    assert "streams" in daemon.files.by
    await other.close()


async def test_holes_between(daemon: Daemon, endpoint: RemoteEndpoint) -> None:
    data = os.urandom(2 * MIB)
    stream = await upload(endpoint, "v", flags=1)
    for _ in range(2):
        await stream.write(data)
        await stream.write_hole(MIB)
    await stream.finish()
    assert daemon.files.content("v") == (data + bytes(MIB)) * 2


@pytest.mark.parametrize("length", [0, 3 * MIB])
async def test_behind_its_end(daemon: Daemon, endpoint: RemoteEndpoint, length: int) -> None:
    """What there is room for is written; the rest of what was sent disturbs nobody."""
    data = os.urandom(12 * MIB)
    stream = await upload(endpoint, "v", length=length)
    with pytest.raises(SystemFailure, match="No space left"):
        await send(stream, data, 262120)
    assert await answers(endpoint)
    assert daemon.files.content("v") == data[: length or 8 * MIB]
    await send(await upload(endpoint, "w"), data[:MIB], 4096)
    assert daemon.files.content("w") == data[:MIB]


async def test_a_client_that_goes_away(daemon: Daemon) -> None:
    """What it had sent is there, and how far it came is known."""
    endpoint = await daemon.client()
    stream = await upload(endpoint, "v")
    data = os.urandom(3 * MIB)
    await stream.write(data)
    endpoint._transport.abort()
    await daemon.files.until_closed()
    came = daemon.files.came["v"]
    assert daemon.files.content("v") == data[:came]
    await endpoint.close()


async def test_a_client_that_gives_it_up(daemon: Daemon, endpoint: RemoteEndpoint) -> None:
    stream = await upload(endpoint, "v")
    await stream.write(os.urandom(2 * MIB))
    stream.abort()
    assert await answers(endpoint)
    await daemon.files.until_closed()


async def test_a_disk_that_takes_nothing(daemon: Daemon, endpoint: RemoteEndpoint) -> None:
    """Its client waits, and nobody else; once that has gone, the last write closes the file."""
    stream = await upload(endpoint, "v")
    await stream.write(b"first")
    daemon.files.go.clear()
    writing = asyncio.ensure_future(stream.write(os.urandom(6 * MIB)))
    other = await daemon.client()
    daemon.files.by.clear()
    for _ in range(20):
        assert await answers(other)
        await asyncio.sleep(0.01)
    assert not writing.done()
    endpoint._transport.abort()
    assert await answers(other)
    assert "v" in daemon.files.open
    daemon.files.go.set()
    await daemon.files.until_closed()
    writing.cancel()
    await asyncio.wait([writing])
    await other.close()


async def test_the_driver_ends_it(daemon: Daemon, endpoint: RemoteEndpoint) -> None:
    stream = await upload(endpoint, "v")
    await stream.write(b"x" * MIB)
    daemon.files.open["v"].abort(OperationAborted("the pool is gone"))
    with pytest.raises(OperationAborted, match="the pool is gone"):
        await send(stream, os.urandom(4 * MIB), 262120)
    assert await answers(endpoint)
