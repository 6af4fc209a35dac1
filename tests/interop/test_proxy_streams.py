# SPDX-License-Identifier: Apache-2.0
"""Long streams through virtproxyd: every byte in its place, calls between, an end that is told."""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop.conftest import STEP, Virtproxyd, Virtqemud
from tests.interop.volume_daemon import content
from virloom.endpoint.remote import RemoteEndpoint
from virloom.endpoint.stream import StreamEnd
from virloom.errors import VirloomError
from virloom.procedures import storage as p
from virloom.transport.unix import connect_unix

VOLUME = p.NonnullStorageVol("pool", "volume", "/pool/volume")
SIZE = 8_000_000


class Virtstoraged(Virtqemud):
    """A stand-in: there is no such daemon yet."""

    name = sockets = "virtstoraged"

    @property
    def command(self) -> list[str]:
        program = "from tests.interop.volume_daemon import main; raise SystemExit(main())"
        return [sys.executable, "-c", program, "--root", str(self.root)]


class Pair(NamedTuple):
    """The daemon of the volume, and the proxy before it."""

    storage: Virtstoraged
    proxy: Virtproxyd


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    root = Path(tempfile.mkdtemp(prefix="vp"))
    root.chmod(0o755)
    made = Pair(Virtstoraged(root), Virtproxyd(root))
    started = []
    try:
        for daemon in made:
            daemon.start()
            started.append(daemon)
        yield made
    finally:
        for daemon in started:
            assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
        shutil.rmtree(root)


@pytest.fixture
async def endpoint(pair: Pair) -> AsyncIterator[RemoteEndpoint]:
    made = RemoteEndpoint(await connect_unix(str(pair.proxy.socket())))
    await made.start()
    await made.open("storage:///system")
    yield made
    await made.close()


async def _download(endpoint: RemoteEndpoint, rests: random.Random) -> bytes:
    args = p.StorageVolDownloadArgs(VOLUME, 0, SIZE)
    _, stream = await endpoint.open_stream(p.STORAGE_VOL_DOWNLOAD, args)
    found = bytearray()
    while part := await stream.read(rests.choice((100, 5000, 300_000))):
        found += part
        if rests.random() < 0.02:
            await asyncio.sleep(0.02)  # a client that does not keep up
    await stream.finish()
    return bytes(found)


async def _upload(endpoint: RemoteEndpoint, sizes: random.Random) -> None:
    args = p.StorageVolUploadArgs(VOLUME, 0, SIZE)
    _, stream = await endpoint.open_stream(p.STORAGE_VOL_UPLOAD, args)
    left = memoryview(content(SIZE))
    while left:
        size = sizes.choice((1, 27, 4000, 70_000, 262_120, 400_000))
        await stream.write(bytes(left[:size]))
        left = left[size:]
    await stream.finish()


async def _digest(endpoint: RemoteEndpoint) -> str:
    return (await endpoint.call(p.STORAGE_VOL_GET_PATH, p.StorageVolGetPathArgs(VOLUME))).name


async def test_all_bytes_in_both_directions_at_once(endpoint: RemoteEndpoint) -> None:
    """With calls of the same connection between."""
    streams = asyncio.gather(
        _download(endpoint, random.Random(1)),
        _download(endpoint, random.Random(2)),
        _upload(endpoint, random.Random(3)),
    )
    calls = 0
    async with asyncio.timeout(STEP):
        while not streams.done():
            assert len(await _digest(endpoint)) == 64
            calls += 1
            await asyncio.sleep(0.001)
        first, second, _ = await streams
    wanted = content(SIZE)
    assert first == second == wanted
    assert await _digest(endpoint) == hashlib.sha256(wanted).hexdigest()
    assert calls


async def test_a_stream_that_is_given_up(endpoint: RemoteEndpoint) -> None:
    args = p.StorageVolDownloadArgs(VOLUME, 0, 0)  # without an end
    _, stream = await endpoint.open_stream(p.STORAGE_VOL_DOWNLOAD, args)
    assert await stream.read(1000) == bytes(1000)
    stream.abort()
    async with asyncio.timeout(STEP):
        assert len(await _digest(endpoint)) == 64


async def test_the_end_of_the_daemon_ends_its_stream(pair: Pair, endpoint: RemoteEndpoint) -> None:
    args = p.StorageVolDownloadArgs(VOLUME, 0, 0)  # without an end
    _, stream = await endpoint.open_stream(p.STORAGE_VOL_DOWNLOAD, args)
    assert await stream.read(1000)
    assert pair.storage.signal(signal.SIGKILL) == -signal.SIGKILL
    async with asyncio.timeout(STEP):
        with pytest.raises(VirloomError, match="virtstoraged has gone away"):
            await _read_on(stream)
    pair.storage.start()
    assert len(await _digest(endpoint)) == 64


async def _read_on(stream: StreamEnd) -> None:
    while await stream.read(300_000):
        pass
