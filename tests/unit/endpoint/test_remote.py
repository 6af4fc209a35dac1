# SPDX-License-Identifier: Apache-2.0
"""Calls, events and streams over a wire, with the real protocol at both ends of it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.dispatcher import FakeDriver, document
from virloom.client.connection import Connection
from virloom.client.domain.events import LifecycleEvent
from virloom.endpoint.dispatch import Call as DriverCall
from virloom.endpoint.dispatch import Dispatcher
from virloom.endpoint.identity import Identity
from virloom.endpoint.remote import RemoteEndpoint
from virloom.endpoint.remote_stream import PACKET, RemoteStream
from virloom.endpoint.remote_streams import STREAM_BUFFER
from virloom.endpoint.session import Session
from virloom.errors import (
    AuthUnavailable,
    InternalError,
    InvalidConn,
    NoDomain,
    OperationAborted,
    OperationFailed,
    Rpc,
    SystemFailure,
    VirloomError,
)
from virloom.procedures import VOID, find
from virloom.procedures import connect as c
from virloom.procedures import domain as p
from virloom.rpc.connection import ServerConnection
from virloom.rpc.messages import Call, StreamAborted, StreamData, StreamFinished
from virloom.transport.memory import MemoryTransport, memory_pair
from virloom.uri import ConnectURI


class FakeDaemon:
    """The daemon's end: the real protocol before a driver without hypervisor.

    Streams are not pumped; what their packets hold is kept, and the test answers them.
    """

    def __init__(self, transport: MemoryTransport) -> None:
        self.driver = FakeDriver()
        self.transport = transport
        self.protocol = ServerConnection(find, [0x20008086, 0x20008087])
        self.session = Session(Identity(), self._event)
        self.dispatcher = Dispatcher([self.driver])
        self.auth = [0]
        self.mechanisms: str | None = None
        self.seen: list[str] = []
        self.uris: list[str | None] = []
        self.uploaded = b""
        self.finished: list[int] = []
        self.aborted: list[int] = []
        self.consoles: list[int] = []
        self.held: list[Call] = []
        self.hold = False
        self.arrival = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.lost = asyncio.Event()
        transport.start(self._data, lambda error: self.lost.set())

    def _event(self, procedure: Any, record: Any, encoded: bytes | None) -> None:
        self.send(self.protocol.event(procedure, record, encoded))

    def send(self, data: bytes) -> None:
        if not self.transport.closed:
            self.transport.send(data)

    def _data(self, data: bytes, fds: Any) -> None:
        for message in self.protocol.receive(data, fds):
            match message:
                case Call():
                    self._called(message)
                case StreamData():
                    self.uploaded += message.data
                case StreamFinished():
                    self.finished.append(message.serial)
                    self.send(self.protocol.stream_finish(message.serial))
                case StreamAborted():
                    self.aborted.append(message.serial)
                    self.send(self.protocol.stream_finish(message.serial))
        self.send(self.protocol.data_to_send())
        self.arrival.set()

    def _called(self, call: Call) -> None:
        assert call.procedure is not None
        self.seen.append(call.procedure.name)
        args = call.arguments()
        if self.hold:
            self.held.append(call)
        elif isinstance(args, c.ConnectOpenArgs):
            self.uris.append(args.name)
            self.send(self.protocol.reply(call, VOID))
        elif call.procedure is c.AUTH_LIST:
            self.send(self.protocol.reply(call, c.AuthListRet(self.auth)))
        elif isinstance(args, c.ConnectSupportsFeatureArgs):
            self.send(self.protocol.reply(call, c.ConnectSupportsFeatureRet(1)))
        elif call.procedure is c.AUTH_SASL_INIT and self.mechanisms is not None:
            self.send(self.protocol.reply(call, c.AuthSaslInitRet(self.mechanisms)))
        elif call.procedure is c.AUTH_POLKIT:
            self.send(self.protocol.reply(call, c.AuthPolkitRet(1)))
        elif call.procedure in (c.CONNECT_CLOSE, c.CONNECT_REGISTER_CLOSE_CALLBACK):
            self.send(self.protocol.reply(call, VOID))
        elif call.procedure is p.DOMAIN_OPEN_CONSOLE:
            self.consoles.append(call.serial)
            self.send(self.protocol.reply(call, VOID))
        else:
            task = asyncio.create_task(self._serve(call, args))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _serve(self, call: Call, args: Any) -> None:
        assert call.procedure is not None
        try:
            result = self.dispatcher.start(DriverCall(self.session, call.procedure), args)
            record = await result if inspect.isawaitable(result) else result
        except VirloomError as error:
            self.send(self.protocol.error(call, error))
        else:
            self.send(self.protocol.reply(call, record))

    async def until(self, done: Any) -> None:
        """Waits until what has arrived makes *done* true."""
        async with asyncio.timeout(5):
            while not done():
                self.arrival.clear()
                await self.arrival.wait()


class Wire:
    """Both ends."""

    def __init__(self, keepalive: float = 5.0) -> None:
        near, far = memory_pair()
        self.daemon = FakeDaemon(far)
        self.endpoint = RemoteEndpoint(near, keepalive=keepalive)

    async def open(self) -> Connection:
        await self.endpoint.start()
        await self.endpoint.open("qemu:///system")
        return Connection(self.endpoint, ConnectURI.parse("qemu:///system"))


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    made = Wire()
    yield made
    await made.endpoint.close()
    await asyncio.gather(*made.daemon.tasks)


@pytest.fixture
async def conn(wire: Wire) -> Connection:
    return await wire.open()


async def console(conn: Connection) -> Any:
    """A console of a fresh guest."""
    dom = await conn.create_xml(document("one"))
    return await dom.open_console()


async def test_opening_is_in_libvirt_s_order(wire: Wire) -> None:
    conn = await wire.open()
    assert wire.daemon.seen == [
        "AUTH_LIST",
        "CONNECT_SUPPORTS_FEATURE",
        "CONNECT_OPEN",
        "CONNECT_SUPPORTS_FEATURE",
        "CONNECT_SUPPORTS_FEATURE",
        "CONNECT_REGISTER_CLOSE_CALLBACK",
    ]
    assert wire.daemon.uris == ["qemu:///system"]
    await conn.close()
    assert wire.daemon.seen[-1] == "CONNECT_CLOSE"
    await wire.daemon.lost.wait()


async def test_what_is_behind_the_daemon_ends(wire: Wire) -> None:
    conn = await wire.open()
    reasons: list[VirloomError | None] = []
    conn.on_close(reasons.append)
    message = c.ConnectEventConnectionClosedMsg(1)
    wire.daemon.send(wire.daemon.protocol.event(c.CONNECT_EVENT_CONNECTION_CLOSED, message))
    async with asyncio.timeout(5):
        while not conn.closed:
            await asyncio.sleep(0)
    (reason,) = reasons
    assert isinstance(reason, OperationFailed)
    assert "(eof)" in reason.message


async def test_authentication(wire: Wire) -> None:
    wire.daemon.auth = [1, 2]
    with pytest.raises(AuthUnavailable, match="sasl"):
        await wire.endpoint.start()
    with pytest.raises(AuthUnavailable, match=r"offers sasl, polkit, not 'none'"):
        await wire.endpoint.start("none")
    wire.daemon.mechanisms = "DIGEST-MD5,SCRAM-SHA-1"
    with pytest.raises(AuthUnavailable, match=r"sasl \(DIGEST-MD5, SCRAM-SHA-1\)"):
        await wire.endpoint.start("sasl")
    await wire.endpoint.start("polkit")
    assert "AUTH_POLKIT" in wire.daemon.seen


async def test_results_errors_and_events(wire: Wire, conn: Connection) -> None:
    async with conn.lifecycle_events() as events:
        dom = await conn.define_xml(document("one"))
        event = await anext(events)
        assert isinstance(event, LifecycleEvent)
        assert event.domain == dom.ref
    assert wire.daemon.driver.callbacks == {}
    with pytest.raises(NoDomain, match="no domain with matching name 'two'"):
        await conn.lookup_by_name("two")


async def test_arguments_that_cannot_be_sent(conn: Connection) -> None:
    with pytest.raises(Rpc, match="cannot be sent"):
        await conn.define_xml("x" * 5_000_000)
    assert await conn.lib_version() == 9_000_000


async def test_a_call_given_up_drops_its_late_reply(wire: Wire, conn: Connection) -> None:
    driver = wire.daemon.driver
    slow = asyncio.create_task(conn.hostname())
    await driver.slow_begun.wait()
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    driver.go_on.set()
    assert await conn.lib_version() == 9_000_000
    assert await conn.hostname() == "slow-host"
    assert driver.slow_finished == 2


async def test_a_stream_given_up_is_ended_there(wire: Wire, conn: Connection) -> None:
    dom = await conn.create_xml(document("one"))
    wire.daemon.hold = True
    opening = asyncio.create_task(dom.open_console())
    await wire.daemon.until(lambda: wire.daemon.held)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    (call,) = wire.daemon.held
    wire.daemon.hold = False
    wire.daemon.send(wire.daemon.protocol.reply(call, VOID))
    await wire.daemon.until(lambda: wire.daemon.aborted == [call.serial])


async def test_the_wire_breaks(wire: Wire, conn: Connection) -> None:
    reasons: list[VirloomError | None] = []
    conn.on_close(reasons.append)
    stream = await console(conn)
    reading = asyncio.create_task(stream.read())
    waiting = asyncio.create_task(conn.hostname())
    await wire.daemon.driver.slow_begun.wait()
    wire.daemon.transport.abort()
    for task in (reading, waiting):
        with pytest.raises(SystemFailure, match="Input/output error") as caught:
            await task
        assert caught.value.int1 == 5
    wire.daemon.driver.go_on.set()
    with pytest.raises(InvalidConn, match="Input/output error"):
        await conn.lib_version()
    await conn.close()
    assert [type(reason) for reason in reasons] == [SystemFailure]


async def test_nonsense_cuts_the_connection(wire: Wire, conn: Connection) -> None:
    wire.daemon.send(b"\xff" * 64)
    with pytest.raises(Rpc, match="libvirt's protocol"):
        await conn.hostname()
    await wire.daemon.lost.wait()
    wire.daemon.driver.go_on.set()


async def test_a_silent_daemon_is_given_up() -> None:
    wire = Wire(keepalive=0.01)
    conn = await wire.open()
    wire.daemon.transport.pause_reading()
    with pytest.raises(InternalError, match="keepalive timeout"):
        async with asyncio.timeout(5):
            await conn.lib_version()
    await conn.close()


async def test_a_quiet_daemon_that_answers_lives() -> None:
    wire = Wire(keepalive=0.01)
    conn = await wire.open()
    await asyncio.wait([asyncio.create_task(wire.daemon.lost.wait())], timeout=0.2)
    assert await conn.lib_version() == 9_000_000
    await conn.close()


async def test_an_upload_is_cut_into_packets(wire: Wire, conn: Connection) -> None:
    stream = await console(conn)
    data = bytes(range(256)) * 4096
    await stream.write(data)
    await stream.close()
    assert wire.daemon.uploaded == data
    assert wire.daemon.finished == wire.daemon.consoles
    with pytest.raises(OperationAborted):
        await stream.write(b"more")
    await stream.close()


async def test_an_upload_waits_for_a_slow_daemon(wire: Wire, conn: Connection) -> None:
    stream = await console(conn)
    wire.daemon.transport.pause_reading()
    writing = asyncio.create_task(stream.write(bytes(8 * 1024 * 1024)))
    await asyncio.wait([writing], timeout=0.1)
    assert not writing.done()
    assert wire.endpoint._transport.unsent < 2 * 1024 * 1024
    wire.daemon.transport.resume_reading()
    await writing
    await stream.close()
    assert len(wire.daemon.uploaded) == 8 * 1024 * 1024


async def test_a_download_to_its_end(wire: Wire, conn: Connection) -> None:
    stream = await console(conn)
    (serial,) = wire.daemon.consoles
    wire.daemon.send(wire.daemon.protocol.stream_data(serial, b"one two"))
    wire.daemon.send(wire.daemon.protocol.stream_end_of_data(serial))
    assert await stream.read(4) == b"one "
    assert await stream.read_all() == b"two"
    assert await stream.read() == b""
    await stream.close()
    assert wire.daemon.finished == [serial]


async def test_an_unread_stream_is_left_in_the_wire(wire: Wire, conn: Connection) -> None:
    stream = await console(conn)
    (serial,) = wire.daemon.consoles
    packets = 64
    for _ in range(packets):
        wire.daemon.send(wire.daemon.protocol.stream_data(serial, bytes(PACKET)))
    assert await stream.read(1) == b"\0"
    end: RemoteStream = stream._end
    assert STREAM_BUFFER < end.buffered < STREAM_BUFFER + 2 * PACKET
    assert await conn.lib_version() == 9_000_000  # a call has it read, for the answer's sake
    left = packets * PACKET - 1
    while left:
        left -= len(await stream.read(left))
    await stream.close()


async def test_a_stream_that_fails_there(wire: Wire, conn: Connection) -> None:
    stream = await console(conn)
    (serial,) = wire.daemon.consoles
    wire.daemon.send(wire.daemon.protocol.stream_data(serial, b"some"))
    wire.daemon.send(wire.daemon.protocol.stream_error(serial, OperationFailed("gone")))
    assert await stream.read() == b"some"
    with pytest.raises(OperationFailed, match="gone"):
        await stream.read()
    with pytest.raises(OperationFailed):
        await stream.write(b"x")
    await stream.close()  # told already


async def test_an_upload_that_fails_unseen_fails_at_its_end(wire: Wire, conn: Connection) -> None:
    stream = await console(conn)
    (serial,) = wire.daemon.consoles
    wire.daemon.send(wire.daemon.protocol.stream_error(serial, OperationFailed("disk full")))
    await conn.lib_version()
    with pytest.raises(OperationFailed, match="disk full"):
        await stream.close()


async def test_abort_tells_the_daemon_and_the_reader(wire: Wire, conn: Connection) -> None:
    stream = await console(conn)
    reading = asyncio.create_task(stream.read())
    await asyncio.wait([reading], timeout=0)
    await stream.abort()
    with pytest.raises(OperationAborted):
        await reading
    await wire.daemon.until(lambda: wire.daemon.aborted == wire.daemon.consoles)
    await stream.abort()
    await stream.close()
    assert await conn.lib_version() == 9_000_000


async def test_reading_from_another_loop(wire: Wire, conn: Connection) -> None:
    stream = await console(conn)
    (serial,) = wire.daemon.consoles

    async def elsewhere() -> tuple[int, bytes]:
        version = await conn.lib_version()
        reading = asyncio.create_task(stream.read())
        await stream.write(b"question")
        return version, await reading

    answer = asyncio.create_task(asyncio.to_thread(asyncio.run, elsewhere()))
    await wire.daemon.until(lambda: wire.daemon.uploaded == b"question")
    wire.daemon.send(wire.daemon.protocol.stream_data(serial, b"answer"))
    assert await answer == (9_000_000, b"answer")


async def test_nothing_goes_over_a_loop_that_has_ended() -> None:
    def opened_elsewhere() -> Wire:
        async def make() -> Wire:
            return Wire()

        return asyncio.run(make())

    wire = await asyncio.to_thread(opened_elsewhere)
    with pytest.raises(InvalidConn, match="event loop"):
        await wire.endpoint.call(c.CONNECT_GET_LIB_VERSION, VOID)
