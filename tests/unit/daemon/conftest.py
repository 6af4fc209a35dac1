# SPDX-License-Identifier: Apache-2.0
"""A client of the daemon over memory, with a small driver behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from virloom.daemon.client import Client
from virloom.daemon.limits import Limits
from virloom.daemon.service import Service
from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.endpoint.stream import BytesStream
from virloom.enums.error import ErrorDomain
from virloom.errors import NoConnect, NoDomain
from virloom.procedures import connect, domain, find
from virloom.procedures.record import Procedure, Record, Void
from virloom.procedures.types import NonnullDomain
from virloom.rpc.connection import ClientConnection
from virloom.transport.memory import MemoryTransport, memory_pair

REMOTE = 0x20008086


class EndlessStream(BytesStream):
    """A guest that never stops to talk."""

    def __init__(self) -> None:
        super().__init__(b"")

    async def read(self, limit: int = 0) -> bytes:
        return bytes(limit)


class Handlers:
    """A driver that knows its type, a domain that takes its time, and a screen."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.busy = asyncio.Event()
        self.busy_at = 3
        self.running = 0
        self.most = 0
        self.closed: list[str] = []
        self.screen = b"pixels" * 1000

    @serves(connect.CONNECT_GET_TYPE)
    def get_type(self, call: Call, args: Void) -> connect.ConnectGetTypeRet:
        return connect.ConnectGetTypeRet("FAKE")

    @serves(domain.DOMAIN_LOOKUP_BY_NAME)
    def lookup(self, call: Call, args: domain.DomainLookupByNameArgs) -> Any:
        raise NoDomain(f"no domain with matching name '{args.name}'", domain=ErrorDomain.QEMU)

    @serves(domain.CONNECT_NUM_OF_DOMAINS)
    async def slow(self, call: Call, args: Void) -> domain.ConnectNumOfDomainsRet:
        self.running += 1
        self.most = max(self.most, self.running)
        if self.running == self.busy_at:
            self.busy.set()
        await self.go.wait()
        self.running -= 1
        return domain.ConnectNumOfDomainsRet(7)

    @serves(connect.CONNECT_REGISTER_CLOSE_CALLBACK)
    def register(self, call: Call, args: Void) -> None:
        call.session.on_close(lambda: self.closed.append("closed"))

    @serves(domain.DOMAIN_SCREENSHOT)
    def screenshot(
        self, call: Call, args: domain.DomainScreenshotArgs
    ) -> domain.DomainScreenshotRet:
        call.attach_stream(BytesStream(self.screen))
        return domain.DomainScreenshotRet("image/test")

    @serves(domain.DOMAIN_OPEN_CONSOLE)
    def console(self, call: Call, args: domain.DomainOpenConsoleArgs) -> None:
        call.attach_stream(EndlessStream())

    @serves(domain.CONNECT_DOMAIN_EVENT_REGISTER)
    def flood(self, call: Call, args: Void) -> domain.ConnectDomainEventRegisterRet:
        """Sends 12 MB of events at once."""
        who = NonnullDomain("x" * 60000, b"\0" * 16, 1)
        for _ in range(200):
            message = domain.DomainEventLifecycleMsg(who, 0, 0)
            call.session.send_event(domain.DOMAIN_EVENT_LIFECYCLE, message)
        return domain.ConnectDomainEventRegisterRet(1)

    @serves(domain.DOMAIN_CREATE_XML)
    def create(self, call: Call, args: domain.DomainCreateXMLArgs) -> Any:
        raise AssertionError("a read-only client came through")


class FakeService(Service):
    """Serves the handlers above."""

    programs = frozenset((REMOTE,))

    def __init__(self) -> None:
        self.handlers = Handlers()
        self._dispatcher = Dispatcher([self.handlers])

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def check_uri(self, uri: str) -> None:
        if uri != "fake:///":
            raise NoConnect(uri)

    def busy(self) -> bool:
        return False

    def reload(self) -> None:
        return

    async def close(self) -> None:
        return


class Peer:
    """The other end: calls, and what came for it."""

    def __init__(self, service: FakeService, limits: Limits, readonly: bool) -> None:
        self.service = service
        self.connection = ClientConnection(find)
        self.came: asyncio.Queue[Any] = asyncio.Queue()
        self.closed = asyncio.Event()
        self.changes = 0
        self.tap: Callable[[bytes], None] | None = None  # who wants the bytes themselves
        ours, theirs = memory_pair()
        self.transport: MemoryTransport = ours
        self.client = Client(service, theirs, limits, readonly=readonly, changed=self._changed)
        ours.start(self._data, lambda _error: self.closed.set())

    def _changed(self, client: Client) -> None:
        self.changes += 1

    def _data(self, data: bytes, fds: Sequence[int]) -> None:
        if self.tap is not None:
            self.tap(data)
            return
        for message in self.connection.receive(data, fds):
            self.came.put_nowait(message)

    def send(self, procedure: Procedure[Any, Any], args: Record) -> int:
        serial, data = self.connection.call(procedure, args)
        self.transport.send(data)
        return serial

    async def call(self, procedure: Procedure[Any, Any], args: Record) -> Any:
        """The result or the error of one call."""
        self.send(procedure, args)
        async with asyncio.timeout(5):
            return (await self.came.get()).result

    async def open(self) -> None:
        await self.call(connect.AUTH_LIST, Void())
        await self.call(connect.CONNECT_OPEN, connect.ConnectOpenArgs("fake:///", 0))


@pytest.fixture
async def connect_peer() -> Any:
    """Makes peers; all of them end with the test."""
    peers: list[Peer] = []

    def make(limits: Limits | None = None, *, readonly: bool = False) -> Peer:
        peers.append(Peer(FakeService(), limits or Limits(), readonly))
        return peers[-1]

    maker: Callable[..., Peer] = make
    yield maker
    for peer in peers:
        peer.service.handlers.go.set()
        peer.transport.abort()
        async with asyncio.timeout(5):
            await peer.client.gone
