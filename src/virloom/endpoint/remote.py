# SPDX-License-Identifier: Apache-2.0
"""An endpoint whose driver is at the other end of a wire."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from virloom.endpoint.authentication import authenticate
from virloom.endpoint.blocking import ThreadWaiter
from virloom.endpoint.endpoint import Endpoint, copies_to_send
from virloom.endpoint.remote_stream import RemoteStream
from virloom.endpoint.remote_streams import RemoteStreams
from virloom.endpoint.stream import StreamEnd
from virloom.enums.error import ErrorDomain
from virloom.enums.params import ConnectCloseReason
from virloom.errors import (
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

#: Seconds that the other side has to answer CONNECT_CLOSE before the wire is cut.
CLOSE_TIME = 5.0

#: Calls whose answer brings a descriptor; libvirtd closes a connection that can carry none.
_GIVES_FDS = frozenset({"DOMAIN_OPEN_GRAPHICS_FD", "DOMAIN_OPEN_NAMESPACE", "DOMAIN_OPEN_LOG_FILE"})

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
        self._streams = RemoteStreams(self, self._connection, transport)
        self._closed = False
        self._reason: VirloomError | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._gone: asyncio.Future[None] = self.home.create_future()
        transport.start(self._arrived, self._lost, self._streams.pressure)

    # Opening

    async def start(self, auth: str | None = None) -> None:
        """What comes before CONNECT_OPEN: authentication and keepalive.

        Args:
            auth: The way to authenticate that the URI asks for.

        Raises:
            AuthUnavailable: The daemon asks for a way that there is not here.
            VirloomError: What it answered.
        """
        await authenticate(self, auth)
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
            self.check("keepalive")
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
            self.check("CONNECT_REGISTER_CLOSE_CALLBACK")
            logger.debug("no close callback: %s", exc)

    async def _has(self, feature: int) -> bool:
        args = p.ConnectSupportsFeatureArgs(feature)
        return bool((await self.call(p.CONNECT_SUPPORTS_FEATURE, args)).supported)

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
        self.check(procedure.name)
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
                sparse = procedure.asks_for_holes(args)
                stream = self._streams.begin(serial, sparse=sparse)
        self._streams.balance()
        return serial, stream

    def _forget_call(self, serial: int, waiter: Waiter) -> None:
        """A call that failed, or whose caller has gone: its stream, if any, is not wanted."""
        if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            waiter.result().discard()  # it came in the round in which the caller went
        unanswered = self._waiting.pop(serial, None) is not None
        self._streams.forget(serial)
        if self._closed:
            return
        if unanswered:
            self._connection.abandon(serial)
        else:
            self.send(self._connection.stream_abort(serial))
        self._streams.balance()

    @property
    def closed(self) -> bool:
        """Whether nothing comes any more."""
        return self._closed

    @property
    def awaits_replies(self) -> bool:
        """Whether a call waits for its answer."""
        return bool(self._waiting)

    def send(self, data: bytes) -> None:
        """Sends messages, if there are any. On the home loop only."""
        if data:
            self._transport.send(data)

    def check(self, what: str) -> None:
        """Returns where calls can be made.

        Raises:
            InvalidConn: It is closed; says what was to be done, and why it is.
        """
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

    # What comes from the other side

    def _arrived(self, data: bytes, fds: Sequence[int] = ()) -> None:
        try:
            messages = self._connection.receive(data, fds)
        except FramingError as exc:
            self._end(Rpc(f"the daemon does not speak libvirt's protocol: {exc}"))
            return
        for message in messages:
            self._take(message)
        self.send(self._connection.data_to_send())
        if self._streams:
            self._streams.balance()

    def _take(self, message: Incoming) -> None:
        match message:
            case Reply():
                self._answered(message)
            case EventMessage():
                self._notify(message)
            case StreamData() | StreamHole() | StreamFinished() | StreamAborted():
                self._streams.take(message)
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
        waiters = list(self._waiting.values())
        self._waiting.clear()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)
                waiter.exception()  # who waits hears of it; a cancelled one no longer asks
        self._streams.close(error)
        if self.on_close is not None:
            self.on_close(reason)

    # Signs of life

    def _tick(self) -> None:
        """Asks after the other side where it is silent; says that we are here where we are."""
        due = self._connection.next_tick()
        if self._closed or due is None:
            return
        now = self.home.time()
        if self._streams.paused:
            # What it says waits unread; and any message of ours tells it that we live.
            self.send(PONG)
            due = now + self._interval
        elif now >= due:
            try:
                self._connection.tick()
            except TimeoutError as exc:
                self._end(InternalError(f"keepalive timeout: {exc}", domain=ErrorDomain.RPC))
                return
            self.send(self._connection.data_to_send())
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
