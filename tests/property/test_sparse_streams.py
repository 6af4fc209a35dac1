# SPDX-License-Identifier: Apache-2.0
"""Data and holes arrive as they were sent, over a real socket, in both directions."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.sparse import FakeService, Part, SparseStream, Volumes
from virloom.daemon.client import Client
from virloom.daemon.limits import Limits
from virloom.endpoint.remote import RemoteEndpoint
from virloom.endpoint.stream import Hole, StreamEnd
from virloom.procedures import storage
from virloom.procedures.storage import NonnullStorageVol
from virloom.transport.unix import SocketTransport, unix_peer

VOLUME = NonnullStorageVol("pool", "volume", "/pool/volume")

_PARTS = st.lists(
    st.binary(min_size=1, max_size=400)
    | st.integers(1, 700_000).map(lambda count: b"\xa5" * count)
    | st.integers(1, 2**63 - 1).filter(lambda length: length != 666).map(Hole),
    max_size=6,
)
_SMALL_PARTS = st.lists(
    st.binary(min_size=1, max_size=400) | st.integers(1, 600_000).map(Hole), max_size=6
)


@asynccontextmanager
async def wired(volumes: Volumes) -> AsyncIterator[RemoteEndpoint]:
    """A client of a daemon that serves *volumes*, connected by a pair of sockets."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    served = Client(
        FakeService(volumes),
        SocketTransport(far, unix_peer(far)),
        Limits(),
        readonly=False,
        changed=lambda client: None,
    )
    endpoint = RemoteEndpoint(SocketTransport(near, unix_peer(near)))
    await endpoint.start()
    await endpoint.open("fake:///")
    try:
        yield endpoint
    finally:
        await endpoint.close()
        await served.gone


def joined(parts: Iterable[Part]) -> list[Part]:
    """The same content, however it was cut."""
    result: list[Part] = []
    for part in parts:
        if result and isinstance(part, bytes) and isinstance(result[-1], bytes):
            result[-1] += part
        else:
            result.append(part)
    return result


async def read_all(stream: StreamEnd, limit: int) -> list[Part]:
    found: list[Part] = []
    while part := await stream.read_sparse(limit):
        assert isinstance(part, Hole) or len(part) <= limit
        found.append(part)
    return found


@settings(max_examples=40, deadline=None, database=None)
@given(parts=_PARTS, limit=st.sampled_from([1000, 65536, 300_000]))
def test_a_download_tells_its_holes(parts: list[Part], limit: int) -> None:
    async def download() -> list[Part]:
        async with wired(Volumes(parts)) as endpoint:
            args = storage.StorageVolDownloadArgs(VOLUME, 0, 0, 1)
            _, stream = await endpoint.open_stream(storage.STORAGE_VOL_DOWNLOAD, args)
            assert stream.sparse
            found = await read_all(stream, limit)
            await stream.finish()
            return found

    assert joined(asyncio.run(download())) == joined(parts)


@settings(max_examples=25, deadline=None, database=None)
@given(parts=_SMALL_PARTS, sparse=st.booleans(), limit=st.sampled_from([7000, 300_000]))
def test_whoever_asks_for_bytes_gets_zeros(parts: list[Part], sparse: bool, limit: int) -> None:
    async def download() -> bytes:
        async with wired(Volumes(parts)) as endpoint:
            args = storage.StorageVolDownloadArgs(VOLUME, 0, 0, int(sparse))
            _, stream = await endpoint.open_stream(storage.STORAGE_VOL_DOWNLOAD, args)
            assert stream.sparse is sparse
            found = bytearray()
            while data := await stream.read(limit):
                assert len(data) <= limit
                found += data
            await stream.finish()
            return bytes(found)

    flat = b"".join(bytes(p.length) if isinstance(p, Hole) else p for p in parts)
    assert asyncio.run(download()) == flat


@settings(max_examples=40, deadline=None, database=None)
@given(parts=_PARTS)
def test_an_upload_brings_its_holes(parts: list[Part]) -> None:
    volumes = Volumes()

    async def upload() -> None:
        async with wired(volumes) as endpoint:
            args = storage.StorageVolUploadArgs(VOLUME, 0, 0, 1)
            _, stream = await endpoint.open_stream(storage.STORAGE_VOL_UPLOAD, args)
            for part in parts:
                if isinstance(part, Hole):
                    await stream.write_hole(part.length)
                else:
                    await stream.write(part)
            await stream.finish()

    asyncio.run(upload())
    assert isinstance(volumes.last, SparseStream)
    assert volumes.last.finished
    assert joined(volumes.last.written) == joined(parts)
