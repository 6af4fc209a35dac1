# SPDX-License-Identifier: Apache-2.0
"""Streams: consoles, screenshots, volumes; blocking ones, and those for event loops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from libvirt._errors import fail, libvirtError, virResetLastError
from libvirt._handle import Handle
from libvirt._invoke import arguments, guarded, handle_of, procedure_of
from libvirt._subscriptions import Bell
from virloom.endpoint.stream import READ_SIZE, Hole, StreamEnd
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, NoSupport, OperationFailed, OperationInvalid, VirloomError
from virloom.procedures.record import VOID

_READABLE, _WRITABLE, _ERROR, _HANGUP = 1, 2, 4, 8
_NONBLOCK = 1

#: What recv and send of a non-blocking stream return when they would have to wait.
_LATER = -2

#: What recvFlags returns at a hole, when it is to stop there.
_AT_HOLE = -3
_STOP_AT_HOLE = 1


class StreamState:
    """What a virStream holds: nothing until a call attaches a stream to it."""

    def __init__(self, handle: Handle, flags: int) -> None:
        self.handle = handle
        self.blocking = not flags & _NONBLOCK
        self.end: StreamEnd | None = None
        self.finished = False
        self.wanted = 0
        self.bell: Bell | None = None
        self._lock = threading.Lock()
        self._ahead = b""
        self._hole = 0
        self._ended = False
        self._error: VirloomError | None = None
        self._reading: Any = None
        self._writing: Any = None

    def attach(self, end: StreamEnd) -> None:
        """The stream begins."""
        self.end, self.finished = end, False
        self._ended, self._error, self._ahead, self._hole = False, None, b"", 0

    def attached(self, function: str) -> StreamEnd:
        """The stream.

        Raises:
            libvirtError: There is none (NO_SUPPORT, as libvirt says it).
        """
        if self.end is None:
            error = NoSupport(function)
            error.domain = 38  # type: ignore[assignment] # a number will do for a tuple
            fail(error, function)
        return self.end

    def receive(self, limit: int, *, stop: bool = False) -> bytes | int:
        """The next bytes: empty at the end, -2 when a non-blocking stream has none yet.

        Args:
            limit: How many at most.
            stop: At a hole give -3, not its zeros.
        """
        if self.blocking:
            self._wait(limit)
        with self._lock:
            if self._ahead:
                data, self._ahead = self._ahead[:limit], self._ahead[limit:]
                return data
            if self._hole and stop:
                return _AT_HOLE
            if self._hole:
                length = min(limit, self._hole)
                self._hole -= length
                return bytes(length)
            if self._error is not None:
                raise self._error
            if self._ended:
                return b""
        self.read_ahead()
        return _LATER

    def receive_hole(self) -> int:
        """The length of the hole that is next; 0 where data or the end is."""
        if self.blocking:
            self._wait(READ_SIZE)
        with self._lock:
            length, self._hole = self._hole, 0
            return length

    def _wait(self, limit: int) -> None:
        """Has something there, in a blocking stream."""
        if self._ahead or self._hole or self._ended:
            return
        assert self.end is not None
        item = self.handle.run(self.end.read_sparse(limit))
        with self._lock:
            self._take(item)

    def _take(self, item: bytes | Hole) -> None:
        if isinstance(item, Hole):
            self._hole = item.length
        else:
            self._ahead, self._ended = item, not item

    def read_ahead(self) -> None:
        """Has the client's thread fetch the next bytes, unless some are there already."""
        with self._lock:
            there = self._ahead or self._hole or self._ended
            if self._reading is not None or there or self.end is None:
                return
            end = self.end
            self._reading = asyncio.run_coroutine_threadsafe(
                self._fetch(end), self.handle.portal._loop
            )

    async def _fetch(self, end: StreamEnd) -> None:
        item: bytes | Hole = b""
        error = None
        try:
            item = await end.read_sparse(READ_SIZE)
        except VirloomError as exc:
            error = exc
        with self._lock:
            self._reading = None
            self._error = error
            self._take(item)
        self.tell()

    def send_soon(self, data: bytes) -> int:
        """Sends without waiting: all of it goes to the client's thread, or -2."""
        with self._lock:
            if self._writing is not None and not self._writing.done():
                return _LATER
            if self._writing is not None and self._writing.exception() is not None:
                raise self._writing.exception()
            assert self.end is not None
            writing = self._writing = asyncio.run_coroutine_threadsafe(
                self.end.write(data), self.handle.portal._loop
            )
        # Without the lock: where all is sent already, this calls at once.
        writing.add_done_callback(lambda _: self.tell())
        return len(data)

    def ready(self) -> int:
        """What could be done now, of what is wanted."""
        with self._lock:
            events = _READABLE if self._ahead or self._hole or self._ended else 0
            if self._error is not None:
                events |= _ERROR
            if self._writing is None or self._writing.done():
                events |= _WRITABLE
            return events & (self.wanted | _ERROR | _HANGUP)

    def tell(self) -> None:
        """Rings for the event callback when something wanted can be done."""
        bell = self.bell
        if bell is not None and self.ready():
            bell.ring()

    def release(self) -> None:
        """Ends the event callback."""
        bell, self.bell = self.bell, None
        if bell is not None:
            bell.close()


def attach(owner: Any, function: str, stream: Any, *values: Any) -> Any:
    """Makes a call that carries a stream, which *stream* then is; its result record."""
    handle = handle_of(owner, function)
    args = arguments(owner, function, *values)
    procedure = procedure_of(function)
    result, end = guarded(function, lambda: handle.open_stream(procedure, args))
    stream._o.attach(end)
    return VOID if result is None else result


def recv(self: Any, nbytes: int) -> bytes | int:
    """At most *nbytes*; empty at the end; -2 from a non-blocking stream that has none yet."""
    return _received(self, "virStreamRecv", nbytes, stop=False)


def recvFlags(self: Any, nbytes: int, flags: int = 0) -> bytes | int:
    """The same; with ``VIR_STREAM_RECV_STOP_AT_HOLE`` -3 at a hole."""
    return _received(self, "virStreamRecvFlags", nbytes, stop=bool(flags & _STOP_AT_HOLE))


def _received(self: Any, function: str, nbytes: int, *, stop: bool) -> bytes | int:
    state: StreamState = self._o
    state.attached(function)
    found: bytes | int = guarded(function, lambda: state.receive(nbytes, stop=stop))
    return found


def send(self: Any, data: bytes) -> int:
    """Sends; returns how much was taken, or -2 where a non-blocking stream would have to wait."""
    state: StreamState = self._o
    end = state.attached("virStreamSend")
    if not state.blocking:
        return int(guarded("virStreamSend", lambda: state.send_soon(bytes(data))))
    guarded("virStreamSend", lambda: state.handle.run(end.write(bytes(data))))
    return len(data)


def finish(self: Any) -> int:
    """Ends the stream in an orderly way."""
    state: StreamState = self._o
    end = state.attached("virStreamFinish")
    if state.finished:
        error = OperationFailed("stream is closed", domain=ErrorDomain.RPC)
        fail(error, "virStreamFinish")
    guarded("virStreamFinish", lambda: state.handle.run(end.finish()))
    state.finished = True
    state.release()
    return 0


def abort(self: Any) -> int:
    """Ends the stream at once."""
    state: StreamState = self._o
    end = state.attached("virStreamAbort")
    virResetLastError()
    state.handle.run(_aborted(end))
    state.release()
    return 0


async def _aborted(end: StreamEnd) -> None:
    end.abort()


def recvAll(self: Any, handler: Callable[..., Any], opaque: Any) -> None:
    """Calls ``handler(stream, data, opaque)`` with all that comes; a negative result aborts."""
    while data := recv(self, READ_SIZE):
        if data == _LATER:
            _must_block("recvAll")
        result = _called(self, handler, self, data, opaque)
        if isinstance(result, int) and result < 0:
            abort(self)
            raise RuntimeError(f"recvAll handler returned {result}")


def sendAll(self: Any, handler: Callable[..., Any], opaque: Any) -> None:
    """Sends what ``handler(stream, nbytes, opaque)`` gives, until it gives nothing."""
    while data := _called(self, handler, self, READ_SIZE, opaque):
        if not self._o.blocking:
            _must_block("sendAll")
        send(self, data)


def _called(stream: Any, handler: Callable[..., Any], *args: Any) -> Any:
    """Calls the application; when that raises, the stream is aborted first."""
    try:
        return handler(*args)
    except BaseException:
        abort(stream)
        raise


def recvHole(self: Any, flags: int = 0) -> int:
    """The length of the hole that the stream is at."""
    state: StreamState = self._o
    end = state.attached("virStreamRecvHole")
    if not end.sparse:
        error = OperationInvalid("Holes are not supported with this stream", domain=ErrorDomain.RPC)
        fail(error, "virStreamRecvHole")
    return int(guarded("virStreamRecvHole", state.receive_hole))


def sendHole(self: Any, length: int, flags: int = 0) -> int:
    """Sends a hole."""
    state: StreamState = self._o
    end = state.attached("virStreamSendHole")
    guarded("virStreamSendHole", lambda: state.handle.run(end.write_hole(length)))
    return 0


def sparseRecvAll(
    self: Any, handler: Callable[..., Any], holeHandler: Callable[..., Any], opaque: Any
) -> None:
    """As :func:`recvAll`, with ``holeHandler(stream, length, opaque)`` for holes."""
    while data := recvFlags(self, READ_SIZE, _STOP_AT_HOLE):
        if data == _LATER:
            _must_block("sparseRecvAll")
        if data == _AT_HOLE:
            result = _called(self, holeHandler, self, recvHole(self), opaque)
            name = "holeHandler"
        else:
            result = _called(self, handler, self, data, opaque)
            name = "sparseRecvAll"
        if isinstance(result, int) and result < 0:
            abort(self)
            raise RuntimeError(f"{name} handler returned {result}")


def sparseSendAll(
    self: Any,
    handler: Callable[..., Any],
    holeHandler: Callable[..., Any],
    skipHandler: Callable[..., Any],
    opaque: Any,
) -> None:
    """As :func:`sendAll`, and what ``holeHandler(stream, opaque)`` tells to be a hole is one.

    That gives whether there is data, and how much of either; ``skipHandler(stream, length,
    opaque)`` goes over a hole in the application's file.
    """
    while True:
        in_data, length = _called(self, holeHandler, self, opaque)
        if not in_data and length > 0:
            sendHole(self, length)
            result = _called(self, skipHandler, self, length, opaque)
            if isinstance(result, int) and result < 0:
                abort(self)
                raise RuntimeError(f"skipHandler handler returned {result}")
            continue
        data = _called(self, handler, self, min(READ_SIZE, length), opaque)
        if not data:
            return
        if not self._o.blocking:
            _must_block("sparseSendAll")
        send(self, data)


def eventAddCallback(self: Any, events: int, cb: Callable[..., object], opaque: Any) -> None:
    """Calls ``cb(stream, events, opaque)`` from the event loop while one of *events* can be done.

    Raises:
        libvirtError: No event loop is registered, or the stream has a callback already.
    """
    state: StreamState = self._o
    state.attached("virStreamEventAddCallback")
    if state.bell is not None:
        fail(
            InternalError("there is already a callback for the stream"), "virStreamEventAddCallback"
        )
    self.cb, self.opaque = cb, opaque
    data = {"stream": self, "cb": cb, "opaque": opaque}

    def answer() -> None:
        ready = state.ready()
        if ready:
            self._dispatchStreamEventCallback(ready, data)
        if state.wanted & _READABLE:
            state.read_ahead()
        state.tell()  # what is still ready is told again: events are levels, not edges

    state.wanted = events
    state.bell = Bell(answer)
    _wanted(state)


def eventUpdateCallback(self: Any, events: int) -> int:
    """Other events for the callback."""
    state: StreamState = self._o
    state.attached("virStreamEventUpdateCallback")
    state.wanted = events
    _wanted(state)
    return 0


def eventRemoveCallback(self: Any) -> int:
    """Ends the callback."""
    state: StreamState = self._o
    state.attached("virStreamEventRemoveCallback")
    state.release()
    return 0


def _wanted(state: StreamState) -> None:
    if state.wanted & _READABLE:
        state.read_ahead()
    state.tell()


def _dispatchStreamEventCallback(self: Any, events: int, cbData: dict[str, Any]) -> int:
    cbData["cb"](self, events, cbData["opaque"])
    return 0


def _must_block(method: str) -> NoReturn:
    virResetLastError()
    raise libvirtError(f"cannot use {method} with nonblocking stream")
