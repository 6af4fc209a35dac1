# SPDX-License-Identifier: Apache-2.0
"""Descriptors with calls and replies, through the client's end, the wire and the daemon's end."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.fakes.sparse import FakeService
from virloom.daemon.client import Client
from virloom.daemon.limits import Limits
from virloom.endpoint.dispatch import Call, Dispatcher, serves
from virloom.endpoint.endpoint import Endpoint
from virloom.endpoint.identity import Identity
from virloom.endpoint.local import LocalEndpoint
from virloom.endpoint.remote import RemoteEndpoint
from virloom.errors import InternalError, OperationFailed, Rpc, SystemFailure
from virloom.procedures import connect
from virloom.procedures import domain as p
from virloom.procedures.record import Record
from virloom.procedures.types import NonnullDomain
from virloom.rpc.packet import close_fds
from virloom.transport.memory import memory_pair

DOM = NonnullDomain("one", b"\0" * 16, 1)
ASSOCIATE = p.DomainFdAssociateArgs(DOM, "group", 0)
OPEN_FD = p.DomainOpenGraphicsFdArgs(DOM, 0, 0)
OPEN = p.DomainOpenGraphicsArgs(DOM, 0, 0)
CREATE = p.DomainCreateWithFilesArgs(DOM, 0)


class Handlers:
    """Takes descriptors, leaves them, gives some, gives some too late."""

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.go = asyncio.Event()
        self.begun = asyncio.Event()
        self.give: list[int] = []
        self.lend = False  # gives its own away rather than a copy

    @serves(connect.CONNECT_SUPPORTS_FEATURE)
    def feature(self, call: Call, args: Record) -> connect.ConnectSupportsFeatureRet:
        return connect.ConnectSupportsFeatureRet(1)

    @serves(p.DOMAIN_FD_ASSOCIATE)
    def keeps(self, call: Call, args: Record) -> None:
        self.kept += call.take_fds()

    @serves(p.DOMAIN_OPEN_GRAPHICS)
    async def looks_away(self, call: Call, args: p.DomainOpenGraphicsArgs) -> None:
        if args.idx:
            call.give_fd(os.dup(self.give[0]))
            raise OperationFailed("no such display")

    @serves(p.DOMAIN_OPEN_GRAPHICS_FD)
    def gives(self, call: Call, args: Record) -> None:
        for fd in self.give:
            call.give_fd(fd if self.lend else os.dup(fd))

    @serves(p.DOMAIN_CREATE_WITH_FILES)
    async def gives_late(self, call: Call, args: Record) -> p.DomainCreateWithFilesRet:
        self.begun.set()
        await self.go.wait()
        call.give_fd(os.dup(self.give[0]))
        return p.DomainCreateWithFilesRet(DOM)


@pytest.fixture
async def handlers() -> AsyncIterator[Handlers]:
    made = Handlers()
    yield made
    made.go.set()
    close_fds(made.kept)


async def _over_a_wire(handlers: Handlers, *, passes_fds: bool = True) -> Endpoint:
    near, far = memory_pair(passes_fds=passes_fds)
    Client(FakeService(handlers), far, Limits(), readonly=False, changed=lambda client: None)
    endpoint = RemoteEndpoint(near)
    await endpoint.start()
    await endpoint.open("fake:///")
    return endpoint


async def _in_process(handlers: Handlers) -> Endpoint:
    async def release() -> None:
        return

    home = asyncio.get_running_loop()
    return LocalEndpoint(Dispatcher([handlers]), home, Identity(), release)


@pytest.fixture(params=[_over_a_wire, _in_process])
async def endpoint(request: pytest.FixtureRequest, handlers: Handlers) -> AsyncIterator[Endpoint]:
    make: Callable[[Handlers], Awaitable[Endpoint]] = request.param
    made = await make(handlers)
    yield made
    handlers.go.set()
    await made.close()


class Pipe:
    """A pipe whose reader sees when the last copy of the writer is closed."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    async def all_closed(self) -> bool:
        os.close(self.writer)
        for _ in range(100):
            try:
                return os.read(self.reader, 1) == b""
            except BlockingIOError:
                await asyncio.sleep(0)
        return False


@pytest.fixture
def pipe() -> Any:
    made = Pipe()
    yield made
    os.close(made.reader)


async def test_a_handler_takes_what_came(endpoint: Endpoint, handlers: Handlers, pipe: Any) -> None:
    _, got = await endpoint.call_with_fds(
        p.DOMAIN_FD_ASSOCIATE, ASSOCIATE, [pipe.reader, pipe.writer]
    )
    assert len(got) == 0
    reader, writer = handlers.kept
    os.write(writer, b"x")
    assert os.read(pipe.reader, 1) == b"x"
    assert not os.get_inheritable(reader)
    os.close(writer)
    handlers.kept = [reader]
    assert await pipe.all_closed()


async def test_what_a_handler_leaves_is_closed(endpoint: Endpoint, pipe: Any) -> None:
    await endpoint.call_with_fds(p.DOMAIN_OPEN_GRAPHICS, OPEN, [pipe.writer])
    assert await pipe.all_closed()


async def test_a_reply_brings_descriptors(
    endpoint: Endpoint, handlers: Handlers, pipe: Any
) -> None:
    handlers.give = [pipe.writer, pipe.reader]
    _, got = await endpoint.call_with_fds(p.DOMAIN_OPEN_GRAPHICS_FD, OPEN_FD)
    with got:
        writer, _ = got.numbers
        assert not os.get_inheritable(writer)
        os.write(writer, b"y")
        assert os.read(pipe.reader, 1) == b"y"
    assert await pipe.all_closed()


async def test_a_caller_who_wants_none_leaves_none(
    endpoint: Endpoint, handlers: Handlers, pipe: Any
) -> None:
    handlers.give = [pipe.writer]
    await endpoint.call(p.DOMAIN_OPEN_GRAPHICS_FD, OPEN_FD)
    assert await pipe.all_closed()


async def test_a_call_that_fails_leaves_none(
    endpoint: Endpoint, handlers: Handlers, pipe: Any
) -> None:
    handlers.give = [pipe.writer]
    args = p.DomainOpenGraphicsArgs(DOM, 1, 0)
    with pytest.raises(OperationFailed, match="no such display"):
        await endpoint.call_with_fds(p.DOMAIN_OPEN_GRAPHICS, args, [pipe.writer])
    assert await pipe.all_closed()


async def test_a_reply_to_a_caller_who_went_is_closed(
    endpoint: Endpoint, handlers: Handlers, pipe: Any
) -> None:
    handlers.give = [pipe.writer]
    waiting = asyncio.ensure_future(endpoint.call_with_fds(p.DOMAIN_CREATE_WITH_FILES, CREATE))
    await handlers.begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    handlers.go.set()
    assert await pipe.all_closed()


async def test_more_than_a_message_takes(endpoint: Endpoint, handlers: Handlers, pipe: Any) -> None:
    handlers.give = [pipe.writer] * 33
    if isinstance(endpoint, RemoteEndpoint):
        with pytest.raises(Rpc, match="33 descriptors are more than the 32"):
            await endpoint.call_with_fds(p.DOMAIN_FD_ASSOCIATE, ASSOCIATE, [pipe.writer] * 33)
        with pytest.raises(Exception, match="33 descriptors are more than the 32"):
            await endpoint.call_with_fds(p.DOMAIN_OPEN_GRAPHICS_FD, OPEN_FD)
    assert await pipe.all_closed()


@contextmanager
def none_left() -> Iterator[None]:
    """No further descriptor can be opened meanwhile."""
    free = os.dup(0)
    os.close(free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_where_no_descriptor_is_left(handlers: Handlers, pipe: Any) -> None:
    """The caller is told, and the connection goes on."""
    endpoint = await _over_a_wire(handlers)
    handlers.give = [pipe.writer]
    handlers.lend = True
    waiting = asyncio.ensure_future(endpoint.call_with_fds(p.DOMAIN_OPEN_GRAPHICS_FD, OPEN_FD))
    with none_left():
        with pytest.raises(SystemFailure, match="Too many open files"):
            await waiting
        with pytest.raises(SystemFailure, match="Too many open files"):
            await endpoint.call_with_fds(p.DOMAIN_FD_ASSOCIATE, ASSOCIATE, [pipe.reader])
    handlers.lend, handlers.give = False, [pipe.reader]
    _, got = await endpoint.call_with_fds(p.DOMAIN_OPEN_GRAPHICS_FD, OPEN_FD)
    with got:
        assert len(got) == 1
    await endpoint.close()
    assert os.read(pipe.reader, 1) == b""  # the one that could not be sent is closed


async def test_a_descriptor_that_is_not_open(endpoint: Endpoint) -> None:
    with pytest.raises(SystemFailure, match="Bad file descriptor") as caught:
        await endpoint.call_with_fds(p.DOMAIN_FD_ASSOCIATE, ASSOCIATE, [987654])
    assert caught.value.int1 == 9


async def test_a_connection_that_carries_none(handlers: Handlers, pipe: Any) -> None:
    endpoint = await _over_a_wire(handlers, passes_fds=False)
    with pytest.raises(InternalError, match="descriptors is not supported on this socket"):
        await endpoint.call_with_fds(p.DOMAIN_FD_ASSOCIATE, ASSOCIATE, [pipe.writer])
    handlers.give = [pipe.writer]
    with pytest.raises(InternalError, match="descriptors is not supported on this socket"):
        await endpoint.call(p.DOMAIN_OPEN_GRAPHICS_FD, OPEN_FD)
    with pytest.raises(InternalError, match="descriptors is not supported on this socket"):
        await endpoint.call_with_fds(p.DOMAIN_OPEN_GRAPHICS_FD, OPEN_FD)
    _, got = await endpoint.call_with_fds(p.DOMAIN_FD_ASSOCIATE, ASSOCIATE)  # none has to travel
    assert len(got) == 0
    await endpoint.close()
    assert await pipe.all_closed()
