# SPDX-License-Identifier: Apache-2.0
"""The client's end of a stream that runs over a wire."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

from virloom.endpoint.stream import READ_SIZE, Hole, StreamEnd
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, OperationAborted, OperationInvalid, VirloomError

#: The most that one packet of a stream holds (``VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX``).
PACKET = 262120

#: What a hole counts for in the buffer; the other side must not fill us with them.
_HOLE_COST = 64


class StreamHost(Protocol):
    """What a stream needs of its connection. Its methods run on :attr:`home`."""

    home: asyncio.AbstractEventLoop

    async def send_data(self, stream: RemoteStream, data: bytes) -> None:
        """Sends one packet once there is room for it."""

    async def send_hole(self, stream: RemoteStream, length: int) -> None:
        """Sends a hole once there is room for it."""

    async def send_finish(self, stream: RemoteStream) -> None:
        """Sends the end, and waits until the other side has confirmed it."""

    def send_abort(self, stream: RemoteStream) -> None:
        """Tells the other side that nobody wants the stream any more."""

    def balance(self) -> None:
        """Something was read: perhaps more may come."""

    async def at_home(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs *work* on :attr:`home`, from whichever loop."""


class RemoteStream(StreamEnd):
    """Packets under the serial of the call that opened the stream.

    :meth:`arrived`, :meth:`ended` and :meth:`failed` run on the connection's loop; the rest may
    run on any.
    """

    def __init__(self, host: StreamHost, serial: int, *, sparse: bool = False) -> None:
        self.serial = serial
        self._host = host
        self._sparse = sparse
        self._lock = threading.Lock()
        self._parts: deque[bytes | Hole] = deque()
        self._waiters: list[asyncio.Future[None]] = []
        self._error: VirloomError | None = None
        self._error_is_told = False
        self._at_end = False
        self._closed = False
        self.buffered = 0

    @property
    def sparse(self) -> bool:
        return self._sparse

    # From the wire

    def hole_arrived(self, length: int) -> None:
        """A hole, where one may come."""
        with self._lock:
            if not self._closed and not self._at_end:
                self._parts.append(Hole(length))
                self.buffered += _HOLE_COST
                self._wake()

    def arrived(self, data: bytes) -> None:
        """A packet; an empty one is the end of what comes from there."""
        with self._lock:
            if self._closed or self._at_end:
                return
            if data:
                self._parts.append(data)
                self.buffered += len(data)
            else:
                self._at_end = True
            self._wake()

    def ended(self) -> None:
        """The other side has ended the stream in an orderly way."""
        with self._lock:
            self._at_end = True
            self._wake()

    def failed(self, reason: VirloomError) -> None:
        """It is over, because of this; what came before can still be read."""
        with self._lock:
            if self._error is None and not self._closed:
                self._error = reason
            self._wake()

    @property
    def is_open(self) -> bool:
        """Whether neither side has ended it."""
        return not self._closed and self._error is None

    def check(self) -> None:
        """Raises why nothing can be sent any more, if that is so."""
        with self._lock:
            self._raise_error()
            if self._closed:
                raise OperationAborted("the stream is closed")

    # From the application

    async def read(self, limit: int = READ_SIZE) -> bytes:
        part = await self._read(limit, whole_holes=False)
        return bytes(part.length) if isinstance(part, Hole) else part

    async def read_sparse(self, limit: int = READ_SIZE) -> bytes | Hole:
        return await self._read(limit, whole_holes=True)

    async def _read(self, limit: int, *, whole_holes: bool) -> bytes | Hole:
        while True:
            with self._lock:
                data = self._take(limit, whole_holes)
                if data is not None:
                    break
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
            try:
                await waiter
            finally:
                with self._lock:
                    if waiter in self._waiters:
                        self._waiters.remove(waiter)
        if data:
            _call_on(self._host.home, self._host.balance)
        return data

    def _take(self, limit: int, whole_holes: bool) -> bytes | Hole | None:
        """The next bytes or hole, empty at the end, None when one has to wait."""
        if not self._parts:
            self._raise_error()
            return b"" if self._at_end or self._closed else None
        head = self._parts.popleft()
        if isinstance(head, Hole):
            if whole_holes or head.length <= limit:
                self.buffered -= _HOLE_COST
                return head
            self._parts.appendleft(Hole(head.length - limit))
            return Hole(limit)
        if len(head) > limit:
            self._parts.appendleft(head[limit:])
            head = head[:limit]
        self.buffered -= len(head)
        return head

    async def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self.check()
            packet, view = bytes(view[:PACKET]), view[PACKET:]
            await self._host.at_home(partial(self._host.send_data, self, packet))

    async def write_hole(self, length: int) -> None:
        if not self._sparse:
            raise OperationInvalid(
                "Skipping is not supported with this stream", domain=ErrorDomain.RPC
            )
        if length < 0:
            raise InvalidArg(f"a hole must have a length, not {length}", domain=ErrorDomain.STREAMS)
        self.check()
        await self._host.at_home(partial(self._host.send_hole, self, length))

    async def finish(self) -> None:
        with self._lock:
            if self._error is not None:
                self._drop()
                if not self._error_is_told:
                    self._raise_error()
                return
            if self._closed:
                return
            self._drop()
        await self._host.at_home(lambda: self._host.send_finish(self))

    def abort(self, reason: VirloomError | None = None) -> None:
        with self._lock:
            over = self._closed or self._error is not None
            if not self._closed:
                self._error = self._error or reason or OperationAborted("the stream was aborted")
            self._error_is_told = True
            self._drop()
        if not over:
            _call_on(self._host.home, self._host.send_abort, self)

    def _raise_error(self) -> None:
        if self._error is not None:
            self._error_is_told = True
            raise self._error

    def _drop(self) -> None:
        """Nobody will read on: what is here and what still comes is thrown away."""
        self._closed = True
        self._parts.clear()
        self.buffered = 0
        self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            _call_on(waiter.get_loop(), _resolve, waiter)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _call_on(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *args: Any) -> None:
    """Calls *function* on *loop*: now when this is it, else soon; not when it is closed."""
    if asyncio._get_running_loop() is loop:
        function(*args)
    elif not loop.is_closed():
        loop.call_soon_threadsafe(function, *args)
