# SPDX-License-Identifier: Apache-2.0
"""Streams: consoles, screenshots, volumes; blocking ones, and those for event loops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from libvirt._errors import fail, virResetLastError
from libvirt._handle import Handle
from libvirt._invoke import arguments, guarded, handle_of, procedure_of
from libvirt._subscriptions import Bell
from virloom.endpoint.stream import READ_SIZE, StreamEnd
from virloom.errors import InternalError, NoSupport, VirloomError
from virloom.procedures.record import VOID

_READABLE, _WRITABLE, _ERROR, _HANGUP = 1, 2, 4, 8
_NONBLOCK = 1

#: What recv and send of a non-blocking stream return when they would have to wait.
_LATER = -2


class StreamState:
    """What a virStream holds: nothing until a call attaches a stream to it."""

    def __init__(self, handle: Handle, flags: int) -> None:
        self.handle = handle
        self.blocking = not flags & _NONBLOCK
        self.end: StreamEnd | None = None
        self.wanted = 0
        self.bell: Bell | None = None
        self._lock = threading.Lock()
        self._ahead = b""
        self._ended = False
        self._error: VirloomError | None = None
        self._reading: Any = None
        self._writing: Any = None

    def attach(self, end: StreamEnd) -> None:
        """The stream begins."""
        self.end = end
        self._ended, self._error, self._ahead = False, None, b""

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

    def receive(self, limit: int) -> bytes | int:
        """The next bytes without waiting: empty at the end, -2 when there are none yet."""
        with self._lock:
            if self._ahead:
                data, self._ahead = self._ahead[:limit], self._ahead[limit:]
                return data
            if self._error is not None:
                raise self._error
            if self._ended:
                return b""
        self.read_ahead()
        return _LATER

    def read_ahead(self) -> None:
        """Has the client's thread fetch the next bytes, unless some are there already."""
        with self._lock:
            if self._reading is not None or self._ahead or self._ended or self.end is None:
                return
            end = self.end
            self._reading = asyncio.run_coroutine_threadsafe(
                self._fetch(end), self.handle.portal._loop
            )

    async def _fetch(self, end: StreamEnd) -> None:
        data, error = b"", None
        try:
            data = await end.read(READ_SIZE)
        except VirloomError as exc:
            error = exc
        with self._lock:
            self._reading = None
            self._ahead, self._error = data, error
            self._ended = not data
        self.tell()

    def send_soon(self, data: bytes) -> int:
        """Sends without waiting: all of it goes to the client's thread, or -2."""
        with self._lock:
            if self._writing is not None and not self._writing.done():
                return _LATER
            if self._writing is not None and self._writing.exception() is not None:
                raise self._writing.exception()
            assert self.end is not None
            self._writing = asyncio.run_coroutine_threadsafe(
                self.end.write(data), self.handle.portal._loop
            )
            self._writing.add_done_callback(lambda _: self.tell())
        return len(data)

    def ready(self) -> int:
        """What could be done now, of what is wanted."""
        with self._lock:
            events = _READABLE if self._ahead or self._ended else 0
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
    state: StreamState = self._o
    end = state.attached("virStreamRecv")
    if not state.blocking:
        found: bytes | int = guarded("virStreamRecv", lambda: state.receive(nbytes))
        return found
    data: bytes = guarded("virStreamRecv", lambda: state.handle.run(end.read(nbytes)))
    return data


def recvFlags(self: Any, nbytes: int, flags: int = 0) -> bytes | int:
    """The same; none of the flags is there (they are about holes)."""
    if flags:
        _no_holes("virStreamRecvFlags")
    return recv(self, nbytes)


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
    guarded("virStreamFinish", lambda: state.handle.run(end.finish()))
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
            _must_block("virStreamRecvAll")
        result = _called(self, handler, self, data, opaque)
        if isinstance(result, int) and result < 0:
            abort(self)
            raise RuntimeError(f"recvAll handler returned {result}")


def sendAll(self: Any, handler: Callable[..., Any], opaque: Any) -> None:
    """Sends what ``handler(stream, nbytes, opaque)`` gives, until it gives nothing."""
    if not self._o.blocking:
        _must_block("virStreamSendAll")
    while data := _called(self, handler, self, READ_SIZE, opaque):
        send(self, data)


def _called(stream: Any, handler: Callable[..., Any], *args: Any) -> Any:
    """Calls the application; when that raises, the stream is aborted first."""
    try:
        return handler(*args)
    except BaseException:
        abort(stream)
        raise


def recvHole(self: Any, flags: int = 0) -> int:
    """Not there yet: streams of this version have no holes."""
    return int(_no_holes("virStreamRecvHole"))


def sendHole(self: Any, length: int, flags: int = 0) -> int:
    """Not there yet: streams of this version have no holes."""
    return int(_no_holes("virStreamSendHole"))


def sparseRecvAll(
    self: Any, handler: Callable[..., Any], holeHandler: Callable[..., Any], opaque: Any
) -> None:
    """As :func:`recvAll`: without holes there is nothing for *holeHandler*."""
    recvAll(self, handler, opaque)


def sparseSendAll(
    self: Any,
    handler: Callable[..., Any],
    holeHandler: Callable[..., Any],
    skipHandler: Callable[..., Any],
    opaque: Any,
) -> None:
    """Not there yet: streams of this version have no holes."""
    _no_holes("virStreamSparseSendAll")


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


def _must_block(function: str) -> Any:
    detail = "data sources cannot be used for non-blocking streams"
    fail((55, 38, f"Requested operation is not valid: {detail}", 2,
          "Requested operation is not valid: %s", detail, None, -1, -1), function)  # fmt: skip


def _no_holes(function: str) -> Any:
    error = NoSupport(function)
    error.domain = 38  # type: ignore[assignment] # a number will do for a tuple
    fail(error, function)
