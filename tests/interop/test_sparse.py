# SPDX-License-Identifier: Apache-2.0
"""Sparse streams between libvirt's end and ours, both ways round."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import pytest

from tests.fakes.sparse import FakeService, Part, SparseStream, Volumes
from tests.interop.conftest import STEP
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.daemon.limits import Limits
from virloom.daemon.server import Server
from virloom.endpoint.dispatch import Call, serves
from virloom.endpoint.remote import RemoteEndpoint
from virloom.endpoint.stream import Hole, StreamEnd
from virloom.errors import OperationInvalid
from virloom.procedures import storage as p
from virloom.transport.unix import connect_unix, listen_unix

pytestmark = needs_libvirtd

SESSION = Path(__file__).with_name("sparse_session.py")
VOLUME = p.NonnullStorageVol("pool", "volume", "/pool/volume")
CONTENT: list[Part] = [Hole(4096), b"one" * 200_000, Hole(1 << 40), b"two", Hole(5)]


class KnownVolumes(Volumes):
    """Volumes that can be looked up, as a client of libvirt does first."""

    @serves(p.STORAGE_VOL_LOOKUP_BY_PATH)
    def lookup(self, call: Call, args: p.StorageVolLookupByPathArgs) -> p.StorageVolLookupByPathRet:
        return p.StorageVolLookupByPathRet(VOLUME)


def joined(parts: list[Part]) -> list[Part]:
    """The same content, however the data was cut."""
    result: list[Part] = []
    for part in parts:
        if result and isinstance(part, bytes) and isinstance(result[-1], bytes):
            result[-1] += part
        else:
            result.append(part)
    return result


async def test_python3_libvirt_on_our_daemon(tmp_path: Path) -> None:
    volumes = KnownVolumes(CONTENT)
    server = Server(FakeService(volumes), Limits())
    with tempfile.TemporaryDirectory(prefix="vs") as name:
        path = f"{name}/sock"
        server.listen(listen_unix(path), readonly=False)
        client = await asyncio.create_subprocess_exec(
            "/usr/bin/python3", SESSION, f"qemu+unix:///system?socket={path}",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(STEP):
            said, wrong = await client.communicate()
        await server.close()
    assert client.returncode == 0, wrong.decode()
    assert said.decode().splitlines() == [
        str([("hole", 4096), ("data", 600_000), ("hole", 1 << 40), ("data", 3), ("hole", 5)]),
        "55 Requested operation is not valid: Holes are not supported with this stream",
    ]
    assert isinstance(volumes.last, SparseStream)
    assert volumes.last.finished
    sent = [b"head" * 1000, Hole(1 << 20), b"x" * 300_000, Hole(5_000_000_000), b"tail", Hole(77)]
    assert joined(volumes.last.written) == sent


async def read_all(stream: StreamEnd) -> list[Part]:
    found: list[Part] = []
    while part := await stream.read_sparse():
        found.append(part)
    await stream.finish()
    return joined(found)


async def test_our_client_on_libvirtd(libvirtd: Libvirtd) -> None:
    place = libvirtd.directory / "pool"
    place.mkdir()
    with (place / "from").open("wb") as file:
        file.write(b"a" * 4096)
        file.seek(1 << 20)
        file.write(b"b" * 4096)
        file.truncate(1 << 21)
    with (place / "to").open("wb") as file:
        file.truncate(1 << 21)
    endpoint = RemoteEndpoint(await connect_unix(str(libvirtd.socket)))
    await endpoint.start()
    await endpoint.open("qemu:///system")
    xml = f"<pool type='dir'><name>sparse</name><target><path>{place}</path></target></pool>"
    created = await endpoint.call(p.STORAGE_POOL_CREATE_XML, p.StoragePoolCreateXMLArgs(xml, 0))
    try:
        await _down(endpoint, await _volume(endpoint, place / "from"))
        await _up(endpoint, await _volume(endpoint, place / "to"), place / "to")
    finally:
        await endpoint.call(p.STORAGE_POOL_DESTROY, p.StoragePoolDestroyArgs(created.pool))
        await endpoint.close()


async def _volume(endpoint: RemoteEndpoint, image: Path) -> p.NonnullStorageVol:
    args = p.StorageVolLookupByPathArgs(str(image))
    return (await endpoint.call(p.STORAGE_VOL_LOOKUP_BY_PATH, args)).vol


async def _down(endpoint: RemoteEndpoint, volume: p.NonnullStorageVol) -> None:
    args = p.StorageVolDownloadArgs(volume, 0, 0, 1)
    _, stream = await endpoint.open_stream(p.STORAGE_VOL_DOWNLOAD, args)
    gap = (1 << 20) - 4096
    assert await read_all(stream) == [b"a" * 4096, Hole(gap), b"b" * 4096, Hole(gap)]
    plain = p.StorageVolDownloadArgs(volume, 0, 0, 0)
    _, stream = await endpoint.open_stream(p.STORAGE_VOL_DOWNLOAD, plain)
    with pytest.raises(OperationInvalid):
        await stream.write_hole(5)
    stream.abort()


async def _up(endpoint: RemoteEndpoint, volume: p.NonnullStorageVol, image: Path) -> None:
    args = p.StorageVolUploadArgs(volume, 0, 0, 1)
    _, stream = await endpoint.open_stream(p.STORAGE_VOL_UPLOAD, args)
    await stream.write_hole(1 << 20)
    await stream.write(b"c" * 8192)
    await stream.write_hole(4096)
    await stream.finish()
    content = image.read_bytes()
    assert content[: (1 << 20) + 8192] == bytes(1 << 20) + b"c" * 8192
    assert os.stat(image).st_blocks * 512 < 1 << 20  # the hole is one
