# SPDX-License-Identifier: Apache-2.0
"""Holes where none may be, at both ends; libvirt's answers where it has any."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.sparse import FakeService, Volumes
from virloom.daemon.client import Client
from virloom.daemon.limits import Limits
from virloom.endpoint.remote import RemoteEndpoint
from virloom.endpoint.stream import BytesStream, Hole, StreamEnd
from virloom.errors import InvalidArg, OperationFailed, OperationInvalid, Rpc, SystemFailure
from virloom.procedures import connect, find, storage
from virloom.procedures.record import VOID
from virloom.procedures.storage import NonnullStorageVol
from virloom.rpc.connection import ServerConnection
from virloom.rpc.messages import Call
from virloom.transport.memory import memory_pair

VOLUME = NonnullStorageVol("pool", "volume", "/pool/volume")


class Daemon:
    """Both ends of one connection."""

    def __init__(self, volumes: Volumes, limits: Limits | None = None) -> None:
        near, far = memory_pair()
        self.client = Client(
            FakeService(volumes),
            far,
            limits or Limits(),
            readonly=False,
            changed=lambda client: None,
        )
        self.endpoint = RemoteEndpoint(near)

    async def upload(self, flags: int) -> StreamEnd:
        args = storage.StorageVolUploadArgs(VOLUME, 0, 0, flags)
        return (await self.endpoint.open_stream(storage.STORAGE_VOL_UPLOAD, args))[1]

    async def answers(self) -> bool:
        reply = await self.endpoint.call(
            connect.CONNECT_SUPPORTS_FEATURE, connect.ConnectSupportsFeatureArgs(14)
        )
        return reply.supported == 1


@pytest.fixture
async def daemon() -> AsyncIterator[Daemon]:
    made = Daemon(Volumes([b"x" * 10, Hole(5), b"y"]))
    await made.endpoint.start()
    await made.endpoint.open("fake:///")
    yield made
    await made.endpoint.close()
    async with asyncio.timeout(5):
        await made.client.gone


async def test_our_client_sends_none_where_it_asked_for_none(daemon: Daemon) -> None:
    stream = await daemon.upload(0)
    with pytest.raises(OperationInvalid, match="Skipping is not supported with this stream"):
        await stream.write_hole(10)
    stream = await daemon.upload(1)
    with pytest.raises(InvalidArg):
        await stream.write_hole(-1)
    await stream.write_hole(0)
    await stream.write_hole(10)
    await stream.finish()


async def test_another_client_that_does_is_cut_off(daemon: Daemon) -> None:
    stream: Any = await daemon.upload(0)
    stream._sparse = True  # as a client that does not keep to it
    await stream.write_hole(10)
    with pytest.raises(SystemFailure):
        await stream.finish()
    async with asyncio.timeout(5):
        await daemon.client.gone


@pytest.mark.parametrize(("length", "flags"), [(-5, 0), (10, 1)])
async def test_a_hole_that_makes_no_sense_ends_its_stream(
    daemon: Daemon, length: int, flags: int
) -> None:
    stream: Any = await daemon.upload(1)
    endpoint = daemon.endpoint
    endpoint.send(endpoint._connection.stream_hole(stream.serial, length, flags))
    with pytest.raises(InvalidArg, match="a hole of length"):
        await stream.finish()
    assert await daemon.answers()


async def test_a_driver_that_cannot_take_a_hole_says_so(daemon: Daemon) -> None:
    stream = await daemon.upload(1)
    await stream.write_hole(666)
    with pytest.raises(OperationFailed, match="no room"):
        await stream.finish()


async def test_a_client_held_up_by_a_stream_goes_on_when_it_fails() -> None:
    daemon = Daemon(Volumes([]), Limits(waiting=1000))
    await daemon.endpoint.start()
    await daemon.endpoint.open("fake:///")
    stream: Any = await daemon.upload(1)
    connection = daemon.endpoint._connection
    hole, data = connection.stream_hole(stream.serial, 666), connection.stream_data
    daemon.endpoint.send(hole + data(stream.serial, bytes(5000)))
    async with asyncio.timeout(5):
        with pytest.raises(OperationFailed, match="no room"):
            await stream.finish()
        assert await daemon.answers()
    await daemon.endpoint.close()


async def test_a_stream_without_holes(daemon: Daemon) -> None:
    stream = BytesStream(b"screen")
    assert not stream.sparse
    assert await stream.read_sparse(3) == b"scr"
    with pytest.raises(OperationInvalid):
        await stream.write_hole(3)


@pytest.mark.parametrize(("flags", "length"), [(0, 5), (1, 0), (1, -1)])
async def test_a_daemon_that_sends_a_wrong_hole(flags: int, length: int) -> None:
    """Its stream ends, the connection goes on."""
    near, far = memory_pair()
    protocol = ServerConnection(find, [0x20008086])

    def serve(data: bytes, fds: Any) -> None:
        for message in protocol.receive(data, fds):
            if not isinstance(message, Call):
                continue
            far.send(protocol.reply(message, VOID))
            if message.procedure is storage.STORAGE_VOL_DOWNLOAD:
                far.send(protocol.stream_hole(message.serial, length))

    far.start(serve, lambda error: None)
    endpoint = RemoteEndpoint(near)
    args = storage.StorageVolDownloadArgs(VOLUME, 0, 0, flags)
    _, stream = await endpoint.open_stream(storage.STORAGE_VOL_DOWNLOAD, args)
    with pytest.raises(Rpc, match="a hole"):
        await stream.read_sparse()
    await endpoint.close()
