# SPDX-License-Identifier: Apache-2.0
"""An endpoint whose driver is at the other end of a wire."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from virloom.endpoint.blocking import ThreadWaiter
from virloom.endpoint.endpoint import Endpoint, copies_to_send
from virloom.endpoint.remote_stream import RemoteStream
from virloom.endpoint.stream import StreamEnd
from virloom.enums.error import ErrorDomain
from virloom.enums.params import ConnectCloseReason
from virloom.errors import (
    AuthUnavailable,
    InternalError,
    InvalidConn,
    OperationFailed,
    Rpc,
    VirloomError,
    system_failure,
)
from virloom.host.fdpass import OwnedFds
from virloom.procedures import connect as p
from virloom.procedures import find
from virloom.procedures.record import VOID, Procedure, Record
from virloom.rpc.connection import ClientConnection
from virloom.rpc.keepalive import PONG
from virloom.rpc.messages import (
    EventMessage,
    Incoming,
    Reply,
    StreamAborted,
    StreamData,
    StreamFinished,
    StreamHole,
)
from virloom.rpc.packet import FramingError
from virloom.rpc.xdr import XdrError
from virloom.transport.base import Transport, TransportClosed

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Record)
R = TypeVar("R", bound=Record)
T = TypeVar("T")

#: Who waits for a reply: a task of the home loop, or a thread.
Waiter = asyncio.Future[Reply] | ThreadWaiter

#: Features of libvirt's private list that are asked for at the opening.
KEEPALIVE, EVENT_CALLBACK, CLOSE_CALLBACK = 10, 14, 15

#: Ways to authenticate, as AUTH_LIST numbers them.
AUTH_NONE, AUTH_SASL, AUTH_POLKIT = 0, 1, 2
_AUTH_NAMES = {AUTH_NONE: "none", AUTH_SASL: "sasl", AUTH_POLKIT: "polkit"}

#: Seconds that the other side has to answer CONNECT_CLOSE before the wire is cut.
CLOSE_TIME = 5.0

#: Calls whose answer brings a descriptor; libvirtd closes a connection that can carry none.
_GIVES_FDS = frozenset({"DOMAIN_OPEN_GRAPHICS_FD", "DOMAIN_OPEN_NAMESPACE", "DOMAIN_OPEN_LOG_FILE"})

#: Bytes that wait in one stream before the wire is no longer read, unless a call waits.
STREAM_BUFFER = 4 * 1024 * 1024

#: Seconds between signs of life, and how many go by unanswered (as virsh has it).
KEEPALIVE_INTERVAL, KEEPALIVE_COUNT = 5.0, 5


class RemoteEndpoint(Endpoint):
    """Calls a daemon through *transport*.

    It lives on the event loop that makes it; openers on other loops cross over. Nothing in
    libvirt's protocol holds back a single stream, so where one is not read the whole wire is left
    unread (events too) until somebody reads it or makes a call; signs of life go on meanwhile.

    Args:
        transport: Connected, and not begun to be read.
        secure: Whether nobody can listen in on it.
        keepalive: Seconds of silence after which the daemon is asked whether it lives.
        handshake: Whether there is something to open and to close; a helper has nothing.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        secure: bool = True,
        keepalive: float = KEEPALIVE_INTERVAL,
        handshake: bool = True,
    ) -> None:
        self.home = asyncio.get_running_loop()
        self._transport = transport
        self._secure = secure
        self._interval = keepalive
        self._handshake = handshake
        self._answers = False
        self._connection = ClientConnection(find, clock=self.home.time)
        self._waiting: dict[int, Waiter] = {}
        self._streams: dict[int, RemoteStream] = {}
        self._finishing: dict[int, asyncio.Future[None]] = {}
        self._room: list[asyncio.Future[None]] = []
        self._closed = False
        self._reason: VirloomError | None = None
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._pressed = False
        self._gone: asyncio.Future[None] = self.home.create_future()
        transport.start(self._arrived, self._lost, self._pressure)

    # Opening

    async def start(self, auth: str | None = None) -> None:
        """What comes before CONNECT_OPEN: authentication and keepalive.

        Args:
            auth: The way to authenticate that the URI asks for.

        Raises:
            AuthUnavailable: The daemon asks for a way that there is not here.
            VirloomError: What it answered.
        """
        offered = (await self.call(p.AUTH_LIST, VOID)).types
        await self._authenticate([int(kind) for kind in offered], auth)
        self._answers = await self._has(KEEPALIVE)
        if self._answers:
            self._connection.start_keepalive(self._interval, KEEPALIVE_COUNT)
            self._tick()

    async def set_keepalive(self, interval: float, count: int) -> bool:
        """Asks for signs of life at other intervals; not at all with 0 or less.

        Returns:
            False where the daemon does not answer such questions.
        """

        async def change() -> bool:
            self._check("keepalive")
            if not self._answers:
                return False
            if self._timer is not None:
                self._timer.cancel()
            if interval > 0:
                self._interval = interval
                self._connection.start_keepalive(interval, count)
                self._tick()
            else:
                self._connection.stop_keepalive()
            return True

        return await self.at_home(change)

    async def open(self, uri: str, flags: int = 0, *, area: bool = False) -> None:
        """Has the daemon open *uri*, which is without transport.

        Args:
            area: It is a daemon of one area, with nothing behind it whose end it could tell of.

        Raises:
            VirloomError: What the daemon answered.
        """
        await self.call(p.CONNECT_OPEN, p.ConnectOpenArgs(uri, flags))
        if area:
            return
        await self._has(EVENT_CALLBACK)
        if await self._has(CLOSE_CALLBACK):
            await self._watch_what_is_behind()

    async def _watch_what_is_behind(self) -> None:
        """Asks to be told when the daemon's own connection ends; few drivers have such a one."""
        try:
            await self.call(p.CONNECT_REGISTER_CLOSE_CALLBACK, VOID)
        except VirloomError as exc:
            self._check("CONNECT_REGISTER_CLOSE_CALLBACK")
            logger.debug("no close callback: %s", exc)

    async def _has(self, feature: int) -> bool:
        args = p.ConnectSupportsFeatureArgs(feature)
        return bool((await self.call(p.CONNECT_SUPPORTS_FEATURE, args)).supported)

    async def _authenticate(self, offered: Sequence[int], wanted: str | None) -> None:
        """The first way on offer, or the wanted one, as libvirt's own client chooses."""
        names = [_AUTH_NAMES.get(kind, str(kind)) for kind in offered]
        if wanted is not None and wanted.partition(".")[0] not in names:
            raise AuthUnavailable(
                f"the daemon offers {', '.join(names) or 'nothing'}, not '{wanted}'",
                domain=ErrorDomain.REMOTE,
            )
        chosen = wanted.partition(".")[0] if wanted else (names or ["none"])[0]
        if chosen == "polkit":
            await self.call(p.AUTH_POLKIT, VOID)
        elif chosen != "none":
            way = f"{chosen} ({await self._mechanisms()})" if chosen == "sasl" else chosen
            raise AuthUnavailable(
                f"the daemon asks for authentication by {way}, which this client cannot do",
                domain=ErrorDomain.REMOTE,
                remedy="use another transport, such as ssh, or let the daemon ask for none",
            )

    async def _mechanisms(self) -> str:
        """SASL's mechanisms on offer, in words."""
        try:
            offered = (await self.call(p.AUTH_SASL_INIT, VOID)).mechlist
        except VirloomError as exc:
            return f"whose mechanisms it does not tell: {exc.message}"
        return ", ".join(offered.replace(",", " ").split()) or "no mechanism"

    # Calls

    async def call(self, procedure: Procedure[A, R], args: A) -> R:
        if asyncio.get_running_loop() is self.home:
            result, _, fds = await self._ask(procedure, args)
        else:
            result, _, fds = await self.at_home(lambda: self._ask(procedure, args))
        if fds is not None:  # nobody asked for any
            fds.close()
        return self._corrected(result)

    def call_waiting(self, procedure: Procedure[A, R], args: A) -> R:
        """As :meth:`call`, and blocks the calling thread, which is not the home loop's.

        A caller that is interrupted stops waiting, and no more.

        Raises:
            RuntimeError: The home loop has ended.
        """
        waiter = ThreadWaiter()
        self.home.call_soon_threadsafe(self._begin_for_thread, procedure, args, waiter)
        try:
            reply = waiter.wait()
        except VirloomError:
            raise
        except BaseException:
            self.home.call_soon_threadsafe(self._forget_thread, waiter)
            raise
        if reply.fds:  # nobody asked for any
            reply.discard()
        result: R | VirloomError = reply.result
        del reply
        if not isinstance(result, VirloomError):
            return self._corrected(result)
        try:
            raise result
        finally:
            del result  # its traceback has this frame, and would hold all in a cycle

    def _begin_for_thread(
        self, procedure: Procedure[Any, Any], args: Record, waiter: ThreadWaiter
    ) -> None:
        try:
            waiter.serial, _ = self._begin(procedure, args, waiter, None)
        except Exception as exc:  # all of them are the waiting thread's
            waiter.set_exception(exc)

    def _forget_thread(self, waiter: ThreadWaiter) -> None:
        if waiter.serial is not None:
            self._forget_call(waiter.serial, waiter)

    def _corrected(self, result: R) -> R:
        if isinstance(result, p.ConnectIsSecureRet) and not self._secure:
            result.secure = 0  # the daemon speaks of what is behind it only
        return result

    async def call_with_fds(
        self, procedure: Procedure[A, R], args: A, fds: Sequence[int] = ()
    ) -> tuple[R, OwnedFds]:
        if not self._transport.carries_fds and (fds or procedure.name in _GIVES_FDS):
            raise InternalError(
                "Sending file descriptors is not supported on this socket", domain=ErrorDomain.RPC
            )
        copies = copies_to_send(fds)
        result, _, got = await self.at_home(lambda: self._ask(procedure, args, copies))
        return result, got or OwnedFds()

    async def open_stream(self, procedure: Procedure[A, R], args: A) -> tuple[R, StreamEnd]:
        result, stream, _ = await self.at_home(lambda: self._ask(procedure, args))
        if stream is None:
            raise InternalError(f"{procedure.name} gives no stream")
        return result, stream

    async def _ask(
        self, procedure: Procedure[A, R], args: A, fds: OwnedFds | None = None
    ) -> tuple[R, RemoteStream | None, OwnedFds | None]:
        waiter: asyncio.Future[Reply] = self.home.create_future()
        serial, stream = self._begin(procedure, args, waiter, fds)
        try:
            reply = await waiter
            if isinstance(reply.result, VirloomError):
                raise reply.result
        except BaseException:
            self._forget_call(serial, waiter)
            raise
        result: R = reply.result
        return result, stream, OwnedFds(reply.fds) if reply.fds else None

    def _begin(
        self,
        procedure: Procedure[Any, Any],
        args: Record,
        waiter: Waiter,
        fds: OwnedFds | None,
    ) -> tuple[int, RemoteStream | None]:
        """Sends a call; its serial, and its stream if it carries one."""
        self._check(procedure.name)
        with fds or OwnedFds() as owned:
            try:
                serial, data = self._connection.call(procedure, args, owned.numbers)
            except (XdrError, FramingError) as exc:
                doing = f"{procedure.name}: the arguments cannot be sent: {exc}"
                raise Rpc(doing, domain=ErrorDomain.RPC) from exc
            try:
                self._transport.send(data, owned.numbers)
            except TransportClosed as exc:
                self._connection.abandon(serial)
                doing = f"{procedure.name}: the connection is closed"
                raise InvalidConn(doing) from exc
            except OSError as exc:  # no descriptor is left for a copy
                self._connection.abandon(serial)
                raise system_failure("cannot pass the file descriptors", exc) from exc
            self._waiting[serial] = waiter
            stream = None
            if procedure.stream != "none":
                # Here before the answer: data may follow it in the same read.
                sparse = procedure.asks_for_holes(args)
                stream = self._streams[serial] = RemoteStream(self, serial, sparse=sparse)
        self.balance()
        return serial, stream

    def _forget_call(self, serial: int, waiter: Waiter) -> None:
        """A call that failed, or whose caller has gone: its stream, if any, is not wanted."""
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            waiter.result().discard()  # it came in the round in which the caller went
        unanswered = self._waiting.pop(serial, None) is not None
        self._streams.pop(serial, None)
        if self._closed:
            return
        if unanswered:
            self._connection.abandon(serial)
        else:
            self._send(self._connection.stream_abort(serial))
        self.balance()

    def _send(self, data: bytes) -> None:
        if data:
            self._transport.send(data)

    def _check(self, what: str) -> None:
        if self._closed:
            why = f" ({self._reason.message})" if self._reason else ""
            raise InvalidConn(f"{what}: the connection is closed{why}")

    async def at_home(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs *work* on the loop of this endpoint.

        Raises:
            InvalidConn: That loop has ended.
        """
        if asyncio.get_running_loop() is self.home:
            return await work()
        if not self.home.is_running():
            raise InvalidConn("the event loop that opened the connection has ended")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self.home))

    # Streams (RemoteStream's host)

    async def send_data(self, stream: RemoteStream, data: bytes) -> None:
        """Sends one packet of *stream* once there is room for it."""
        await self._await_room(stream)
        self._send(self._connection.stream_data(stream.serial, data))

    async def send_hole(self, stream: RemoteStream, length: int) -> None:
        """Sends a hole of *stream* once there is room for it."""
        await self._await_room(stream)
        self._send(self._connection.stream_hole(stream.serial, length))

    async def _await_room(self, stream: RemoteStream) -> None:
        while self._pressed and not self._closed:
            waiter = self.home.create_future()
            self._room.append(waiter)
            await waiter
        stream.check()
        self._check("stream")

    async def send_finish(self, stream: RemoteStream) -> None:
        """Ends *stream*, and waits until the other side has confirmed it."""
        self._check("stream")
        if stream.serial not in self._streams:
            return
        waiter = self._finishing.get(stream.serial)
        if waiter is None:
            waiter = self._finishing[stream.serial] = self.home.create_future()
            self._send(self._connection.stream_finish(stream.serial))
        self.balance()
        await asyncio.shield(waiter)

    def send_abort(self, stream: RemoteStream) -> None:
        """Tells the other side that nobody wants *stream* any more."""
        if not self._closed and stream.serial not in self._finishing:
            self._streams.pop(stream.serial, None)
            self._send(self._connection.stream_abort(stream.serial))
        self.balance()

    def balance(self) -> None:
        """Reads the wire, unless a stream is full and nobody waits for anything else."""
        full = any(stream.buffered > STREAM_BUFFER for stream in self._streams.values())
        paused = full and not self._waiting and not self._finishing
        if paused != self._paused and not self._closed:
            self._paused = paused
            if paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _pressure(self, pressed: bool) -> None:
        """The other side takes our bytes too slowly, or has caught up."""
        self._pressed = pressed
        if not pressed:
            waiters, self._room = self._room, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    # What comes from the other side

    def _arrived(self, data: bytes, fds: Sequence[int] = ()) -> None:
        try:
            messages = self._connection.receive(data, fds)
        except FramingError as exc:
            self._end(Rpc(f"the daemon does not speak libvirt's protocol: {exc}"))
            return
        for message in messages:
            self._take(message)
        self._send(self._connection.data_to_send())
        if self._streams:
            self.balance()

    def _take(self, message: Incoming) -> None:
        match message:
            case Reply():
                self._answered(message)
            case EventMessage():
                self._notify(message)
            case StreamData():
                if stream := self._streams.get(message.serial):
                    stream.arrived(message.data)
            case StreamFinished():
                self._stream_over(message.serial, None)
            case StreamAborted():
                self._stream_over(message.serial, message.error)
            case StreamHole():
                self._hole(message)
            case _:
                message.discard()

    def _answered(self, reply: Reply) -> None:
        waiter = self._waiting.pop(reply.serial, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(reply)
        else:  # cancelled in this very round of the loop; _forget_call sees to its stream
            reply.discard()

    def _notify(self, message: EventMessage) -> None:
        if isinstance(message.record, p.ConnectEventConnectionClosedMsg):
            self._end(_closed_behind(message.record.reason))
            return
        if self.on_event is None:
            return
        try:
            self.on_event(message.procedure, message.record)
        except Exception:
            logger.exception("the receiver of %s failed", message.procedure.name)

    def _stream_over(self, serial: int, error: VirloomError | None) -> None:
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

    # The end

    async def drop(self) -> None:
        """Cuts the wire without a word, for an opening that failed. On the home loop only."""
        self._end(None)
        await asyncio.wait([self._gone], timeout=CLOSE_TIME)

    async def close(self) -> None:
        await self.at_home(self._close)

    async def _close(self) -> None:
        try:
            if self._handshake:
                async with asyncio.timeout(CLOSE_TIME):
                    await self._ask(p.CONNECT_CLOSE, VOID)
        except (VirloomError, TimeoutError) as exc:
            logger.debug("CONNECT_CLOSE: %s", exc)
        finally:
            await self.drop()

    def _lost(self, error: Exception | None) -> None:
        if not self._gone.done():
            self._gone.set_result(None)
        if isinstance(error, VirloomError):
            self._end(error)
        elif error is None or isinstance(error, OSError):
            # libvirt's code and errno for the end of a file that there should not be.
            cause = error or OSError(errno.EIO, os.strerror(errno.EIO))
            doing = "the connection to the daemon is lost"
            self._end(system_failure(doing, cause, domain=ErrorDomain.RPC))
        else:
            logger.error("the connection to the daemon failed", exc_info=error)
            self._end(InternalError(f"the connection failed: {error}", domain=ErrorDomain.RPC))

    def _end(self, reason: VirloomError | None) -> None:
        """Everybody who waits hears of it, once."""
        if self._closed:
            return
        self._closed, self._reason = True, reason
        if self._timer is not None:
            self._timer.cancel()
        self._transport.abort()
        self._connection.close()
        error = reason or InvalidConn("the connection was closed")
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.failed(error)
        waiters: list[asyncio.Future[Any] | ThreadWaiter] = [
            *self._waiting.values(),
            *self._finishing.values(),
        ]
        self._waiting.clear()
        self._finishing.clear()
        for waiter in [*waiters, *self._room]:
            if not waiter.done():
                _fail(waiter, error)
        self._room.clear()
        if self.on_close is not None:
            self.on_close(reason)

    # Signs of life

    def _tick(self) -> None:
        """Asks after the other side where it is silent; says that we are here where we are."""
        due = self._connection.next_tick()
        if self._closed or due is None:
            return
        now = self.home.time()
        if self._paused:
            # What it says waits unread; and any message of ours tells it that we live.
            self._send(PONG)
            due = now + self._interval
        elif now >= due:
            try:
                self._connection.tick()
            except TimeoutError as exc:
                self._end(InternalError(f"keepalive timeout: {exc}", domain=ErrorDomain.RPC))
                return
            self._send(self._connection.data_to_send())
            due = self._connection.next_tick() or now
        self._timer = self.home.call_at(due, self._tick)


def _closed_behind(reason: int) -> VirloomError:
    """The daemon lives, and what it was connected to does not."""
    known = {one.value: one.name.lower() for one in ConnectCloseReason}
    why = known.get(reason, str(reason))
    return OperationFailed(
        f"the daemon's own connection to the hypervisor was closed ({why})",
        domain=ErrorDomain.REMOTE,
    )


def _fail(waiter: asyncio.Future[Any] | ThreadWaiter, error: VirloomError) -> None:
    waiter.set_exception(error)
    waiter.exception()  # whoever waits hears of it; a cancelled one no longer asks
