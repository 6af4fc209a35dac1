# SPDX-License-Identifier: Apache-2.0
"""The streams of one wire, which share its room: none can be held back by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from virloom.endpoint.remote_stream import RemoteStream
from virloom.enums.error import ErrorDomain
from virloom.errors import Rpc, VirloomError
from virloom.rpc.connection import ClientConnection
from virloom.rpc.messages import StreamAborted, StreamData, StreamFinished, StreamHole
from virloom.transport.base import Transport

#: Bytes that wait in one stream before the wire is no longer read, unless a call waits.
STREAM_BUFFER = 4 * 1024 * 1024

#: What comes for a stream.
StreamMessage = StreamData | StreamHole | StreamFinished | StreamAborted


class Wire(Protocol):
    """What streams need of the endpoint that has them."""

    home: asyncio.AbstractEventLoop

    @property
    def closed(self) -> bool:
        """Whether nothing comes any more."""

    @property
    def awaits_replies(self) -> bool:
        """Whether a call waits for its answer."""

    def check(self, what: str) -> None:
        """Raises InvalidConn where it is closed."""

    def send(self, data: bytes) -> None:
        """Sends what a stream says."""

    async def at_home(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs *work* on :attr:`home`, from whichever loop."""


class RemoteStreams:
    """Carries packets between the wire and its streams, and is their host.

    Where one is not read the whole wire is left unread until somebody reads it or waits for a call.

    Args:
        wire: The endpoint.
        connection: Its end of the protocol.
        transport: What is read, or left unread.

    Attributes:
        paused: The wire is left unread.
    """

    def __init__(self, wire: Wire, connection: ClientConnection, transport: Transport) -> None:
        self.home = wire.home
        self.paused = False
        self._wire = wire
        self._connection = connection
        self._transport = transport
        self._streams: dict[int, RemoteStream] = {}
        self._finishing: dict[int, asyncio.Future[None]] = {}
        self._room: list[asyncio.Future[None]] = []
        self._pressed = False

    def __len__(self) -> int:
        """How many there are."""
        return len(self._streams)

    def begin(self, serial: int, *, sparse: bool) -> RemoteStream:
        """The stream of a call that is made; data may follow its answer in the same read."""
        stream = self._streams[serial] = RemoteStream(self, serial, sparse=sparse)
        return stream

    def forget(self, serial: int) -> None:
        """Nobody wants that stream, if there is one."""
        self._streams.pop(serial, None)

    # RemoteStream's host

    async def at_home(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs *work* on :attr:`home`, from whichever loop."""
        await self._wire.at_home(work)

    async def send_data(self, stream: RemoteStream, data: bytes) -> None:
        """Sends one packet of *stream* once there is room for it."""
        await self._await_room(stream)
        self._wire.send(self._connection.stream_data(stream.serial, data))

    async def send_hole(self, stream: RemoteStream, length: int) -> None:
        """Sends a hole of *stream* once there is room for it."""
        await self._await_room(stream)
        self._wire.send(self._connection.stream_hole(stream.serial, length))

    async def _await_room(self, stream: RemoteStream) -> None:
        while self._pressed and not self._wire.closed:
            waiter = self.home.create_future()
            self._room.append(waiter)
            await waiter
        stream.check()
        self._wire.check("stream")

    async def send_finish(self, stream: RemoteStream) -> None:
        """Ends *stream*, and waits until the other side has confirmed it."""
        self._wire.check("stream")
        if stream.serial not in self._streams:
            return
        waiter = self._finishing.get(stream.serial)
        if waiter is None:
            waiter = self._finishing[stream.serial] = self.home.create_future()
            self._wire.send(self._connection.stream_finish(stream.serial))
        self.balance()
        await asyncio.shield(waiter)

    def send_abort(self, stream: RemoteStream) -> None:
        """Tells the other side that nobody wants *stream* any more."""
        if not self._wire.closed and stream.serial not in self._finishing:
            self._streams.pop(stream.serial, None)
            self._wire.send(self._connection.stream_abort(stream.serial))
        self.balance()

    def balance(self) -> None:
        """Reads the wire, unless a stream is full and nobody waits for anything else."""
        full = any(stream.buffered > STREAM_BUFFER for stream in self._streams.values())
        paused = full and not self._wire.awaits_replies and not self._finishing
        if paused != self.paused and not self._wire.closed:
            self.paused = paused
            if paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    # What comes from the other side

    def pressure(self, pressed: bool) -> None:
        """It takes our bytes too slowly, or has caught up."""
        self._pressed = pressed
        if not pressed:
            waiters, self._room = self._room, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def take(self, message: StreamMessage) -> None:
        """Gives its stream what came, if anybody still wants it."""
        match message:
            case StreamData():
                if stream := self._streams.get(message.serial):
                    stream.arrived(message.data)
            case StreamFinished():
                self._over(message.serial, None)
            case StreamAborted():
                self._over(message.serial, message.error)
            case StreamHole():
                self._hole(message)

    def _over(self, serial: int, error: VirloomError | None) -> None:
        stream = self._streams.pop(serial, None)
        waiter = self._finishing.pop(serial, None)
        if stream is not None:
            stream.ended() if error is None else stream.failed(error)
        if waiter is not None and not waiter.done():
            waiter.set_result(None) if error is None else _fail(waiter, error)

    def _hole(self, message: StreamHole) -> None:
        stream = self._streams.get(message.serial)
        if stream is None:
            return
        if stream.sparse and message.length > 0 and not message.flags:
            stream.hole_arrived(message.length)
        else:
            problem = "a hole without length" if stream.sparse else "a hole that nobody asked for"
            stream.abort(Rpc(f"the daemon sent {problem}", domain=ErrorDomain.RPC))

    def close(self, error: VirloomError) -> None:
        """The wire has ended: whoever waits hears of it."""
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.failed(error)
        waiters = [*self._finishing.values(), *self._room]
        self._finishing.clear()
        self._room.clear()
        for waiter in waiters:
            if not waiter.done():
                _fail(waiter, error)


def _fail(waiter: asyncio.Future[None], error: VirloomError) -> None:
    waiter.set_exception(error)
    waiter.exception()  # whoever waits hears of it; a cancelled one no longer asks
