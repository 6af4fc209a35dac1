# SPDX-License-Identifier: Apache-2.0
"""Streams of files over a real socket: whole, given up, left behind, not read, several at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.unit.daemon.file_daemon import FileDaemon, FileHandlers, answers, client_of, serving
from virloom.drivers.storage.transfer import VolumeStream, open_volume
from virloom.endpoint.dispatch import Call, serves
from virloom.endpoint.remote import RemoteEndpoint
from virloom.endpoint.stream import BytesStream, Hole, StreamEnd
from virloom.errors import OperationFailed, SystemFailure
from virloom.procedures import storage
from virloom.procedures.storage import NonnullStorageVol

VOLUME = NonnullStorageVol("pool", "volume", "volume")
MIB = 1 << 20


class Patient(BytesStream):
    """Takes nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__(b"")
        self.go = asyncio.Event()
        self.full = False
        self.came = bytearray()
        self.most = 0

    async def write_all(self, parts: Sequence[bytes | memoryview]) -> None:
        await self.go.wait()
        if self.full:
            raise OperationFailed("the disk is full")
        self.most = max(self.most, sum(map(len, parts)))
        self.came += b"".join(parts)


class Files(FileHandlers):
    """One file; its streams that are open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open: set[VolumeStream] = set()
        self.patient = Patient()
        self.changed = asyncio.Event()

    @serves(storage.STORAGE_VOL_DOWNLOAD)
    def download(self, call: Call, args: storage.StorageVolDownloadArgs) -> None:
        def closed() -> None:
            self.open.discard(stream)
            self.changed.set()

        stream = VolumeStream(
            open_volume(str(self.path), args.offset, writing=False), args.offset, args.length,
            sparse=call.sparse, closed=closed,
        )  # fmt: skip
        self.open.add(stream)
        call.attach_stream(stream)

    @serves(storage.STORAGE_VOL_UPLOAD)
    def upload(self, call: Call, args: storage.StorageVolUploadArgs) -> None:
        call.attach_stream(self.patient)

    async def until_closed(self) -> None:
        """Returns once no stream is open."""
        async with asyncio.timeout(5):
            while self.open:
                self.changed.clear()
                await self.changed.wait()


Daemon = FileDaemon[Files]


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with serving(tmp_path, Files(tmp_path / "file")) as daemon:
        with daemon.files.path.open("wb") as file:
            file.write(os.urandom(5 * MIB))
            file.truncate(9 * MIB)
            os.pwrite(file.fileno(), os.urandom(4096), 8 * MIB)
        yield daemon


@pytest.fixture
async def endpoint(daemon: Daemon) -> AsyncIterator[RemoteEndpoint]:
    async with client_of(daemon) as endpoint:
        yield endpoint


async def download(
    endpoint: RemoteEndpoint, offset: int = 0, length: int = 0, flags: int = 0
) -> StreamEnd:
    args = storage.StorageVolDownloadArgs(VOLUME, offset, length, flags)
    return (await endpoint.open_stream(storage.STORAGE_VOL_DOWNLOAD, args))[1]


async def content(stream: StreamEnd) -> bytes:
    """All of it; zeros for holes."""
    found = bytearray()
    async with asyncio.timeout(10):
        while part := await stream.read_sparse(300_000):
            found += bytes(part.length) if isinstance(part, Hole) else part
        await stream.finish()
    return bytes(found)


async def test_several_at_once_and_calls_between(daemon: Daemon, endpoint: RemoteEndpoint) -> None:
    whole = daemon.files.path.read_bytes()
    streams = [
        await download(endpoint, flags=flags, offset=offset, length=length)
        for flags, offset, length in ((0, 0, 0), (1, 0, 0), (0, 70_001, 2 * MIB), (1, MIB, 8 * MIB))
    ]
    coming = asyncio.gather(*(content(stream) for stream in streams))
    while not coming.done():
        assert await answers(endpoint)
    assert await coming == [whole, whole, whole[70_001:][: 2 * MIB], whole[MIB:]]


async def test_one_that_is_given_up(daemon: Daemon, endpoint: RemoteEndpoint) -> None:
    stream = await download(endpoint)
    assert await stream.read(10) == daemon.files.path.read_bytes()[:10]
    stream.abort()
    assert await answers(endpoint)
    await daemon.files.until_closed()
    stream = await download(endpoint)
    await stream.read(10)
    await stream.finish()  # before its end, as libvirt's clients may
    assert await answers(endpoint)


async def test_a_client_that_goes_away(daemon: Daemon) -> None:
    endpoint = await daemon.client()
    stream = await download(endpoint)
    await stream.read(10)
    endpoint._transport.abort()
    await daemon.files.until_closed()
    await endpoint.close()


async def test_readers_that_do_not_read(daemon: Daemon, endpoint: RemoteEndpoint) -> None:
    """They hold up neither the calls of others nor their streams."""
    idle = [await daemon.client() for _ in range(5)]
    for each in idle:
        await download(each)
        each._transport.pause_reading()
    assert await content(await download(endpoint)) == daemon.files.path.read_bytes()
    assert await answers(endpoint)
    for each in idle:
        each._transport.abort()
        await each.close()


async def test_a_disk_that_takes_nothing(daemon: Daemon, endpoint: RemoteEndpoint) -> None:
    """What its client sends waits with the client, but for a bounded part, which goes at once."""
    args = storage.StorageVolUploadArgs(VOLUME, 0, 0, 0)
    _, stream = await endpoint.open_stream(storage.STORAGE_VOL_UPLOAD, args)
    data = os.urandom(8 * MIB)
    writing = asyncio.ensure_future(stream.write(data))
    (client,) = daemon.server.all()
    async with asyncio.timeout(5):
        while not client._held_up:
            await asyncio.sleep(0.01)
    assert not writing.done()
    assert MIB < client._streams.waiting < 2 * MIB
    daemon.files.patient.go.set()
    await writing
    await stream.finish()
    assert daemon.files.patient.came == data
    assert MIB / 2 < daemon.files.patient.most < 2 * MIB


async def written(writing: asyncio.Future[None], stream: StreamEnd) -> None:
    await writing
    await stream.finish()


async def test_a_disk_that_is_full(daemon: Daemon, endpoint: RemoteEndpoint) -> None:
    """The client that was held up by it goes on."""
    args = storage.StorageVolUploadArgs(VOLUME, 0, 0, 0)
    _, stream = await endpoint.open_stream(storage.STORAGE_VOL_UPLOAD, args)
    writing = asyncio.ensure_future(stream.write(os.urandom(8 * MIB)))
    (client,) = daemon.server.all()
    async with asyncio.timeout(5):
        while not client._held_up:
            await asyncio.sleep(0.01)
    daemon.files.patient.full = True
    daemon.files.patient.go.set()
    with pytest.raises(OperationFailed, match="the disk is full"):
        await asyncio.wait_for(written(writing, stream), 5)
    assert await answers(endpoint)


async def test_a_file_that_becomes_shorter(daemon: Daemon, endpoint: RemoteEndpoint) -> None:
    endpoint._transport.pause_reading()
    opening = asyncio.ensure_future(download(endpoint))
    await asyncio.sleep(0.1)
    os.truncate(daemon.files.path, 1000)
    endpoint._transport.resume_reading()
    stream = await opening
    with pytest.raises(SystemFailure, match="cannot send what is read"):
        await content(stream)
    assert await answers(endpoint)
