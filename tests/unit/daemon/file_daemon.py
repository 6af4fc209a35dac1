# SPDX-License-Identifier: Apache-2.0
"""A daemon of volumes that are files, for tests of their streams."""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from tests.fakes.sparse import FakeService
from virloom.daemon.limits import Limits
from virloom.daemon.server import Server
from virloom.endpoint.dispatch import Call, serves
from virloom.endpoint.remote import RemoteEndpoint
from virloom.procedures import connect
from virloom.procedures.record import Record
from virloom.transport.unix import connect_unix, listen_unix


class FileHandlers(ABC):
    """What serves uploads or downloads."""

    @serves(connect.CONNECT_SUPPORTS_FEATURE)
    def feature(self, call: Call, args: Record) -> connect.ConnectSupportsFeatureRet:
        return connect.ConnectSupportsFeatureRet(1)

    @abstractmethod
    async def until_closed(self) -> None:
        """Returns once no stream is open."""


F = TypeVar("F", bound=FileHandlers)


class FileDaemon(Generic[F]):
    """A server of these files."""

    def __init__(self, directory: Path, files: F) -> None:
        self.files = files
        self.socket = str(directory / "sock")
        self.server = Server(FakeService(self.files), Limits())
        self.server.listen(listen_unix(self.socket), readonly=False)

    async def client(self) -> RemoteEndpoint:
        endpoint = RemoteEndpoint(await connect_unix(self.socket))
        await endpoint.start()
        await endpoint.open("fake:///")
        return endpoint


@asynccontextmanager
async def serving(directory: Path, files: F) -> AsyncIterator[FileDaemon[F]]:
    """A daemon while the block runs, after which no descriptor is left."""
    daemon = FileDaemon(directory, files)
    before = len(os.listdir("/proc/self/fd"))
    yield daemon
    await daemon.files.until_closed()
    await daemon.server.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1


@asynccontextmanager
async def client_of(daemon: FileDaemon[Any]) -> AsyncIterator[RemoteEndpoint]:
    """A client that has opened it."""
    endpoint = await daemon.client()
    yield endpoint
    await endpoint.close()


async def answers(endpoint: RemoteEndpoint) -> bool:
    """Whether a light call is answered, whatever the streams do."""
    args = connect.ConnectSupportsFeatureArgs(14)
    async with asyncio.timeout(10):
        return (await endpoint.call(connect.CONNECT_SUPPORTS_FEATURE, args)).supported == 1
