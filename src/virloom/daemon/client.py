# SPDX-License-Identifier: Apache-2.0
"""One client: its connection, its calls, its events and streams, from the first byte to the end.

A call that need not wait is answered within the read event that brought it; one that waits runs
as a task of its own. What the client sends too fast waits in its socket, what it does not read is
bounded: its calls and streams wait, and one that takes no events is cut off.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from virloom.daemon import gate
from virloom.daemon.admission import Admission, not_offered
from virloom.daemon.claimed import claimed_identity, identity_of
from virloom.daemon.keepalive import Keepalive
from virloom.daemon.limits import PRESSURE, Limits
from virloom.daemon.memory import end_if_out_of_memory, give_back
from virloom.daemon.outbox import Outbox
from virloom.daemon.polkit import Polkit
from virloom.daemon.relay.relay import Relay, RelayOwner
from virloom.daemon.relay.routes import Route
from virloom.daemon.service import Another, Service
from virloom.daemon.streams import Streams, StreamsOwner
from virloom.endpoint.dispatch import Call as HandlerCall
from virloom.endpoint.dispatch import Dispatcher
from virloom.endpoint.identity import Identity
from virloom.endpoint.readonly import check_readonly, error_domain
from virloom.endpoint.session import Session
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, NoSupport, VirloomError, system_failure
from virloom.host.fdpass import OwnedFds
from virloom.procedures import find
from virloom.procedures.connect import ConnectSupportsFeatureRet
from virloom.procedures.record import VOID, Procedure, Record, Void
from virloom.rpc.connection import ServerConnection
from virloom.rpc.messages import (
    Call,
    Incoming,
    Passed,
    StreamAborted,
    StreamData,
    StreamFinished,
    StreamHole,
    StreamPiece,
)
from virloom.rpc.packet import MAX_LENGTH, FramingError
from virloom.rpc.xdr import XdrError
from virloom.transport.base import PeerIdentity, Transport

logger = logging.getLogger(__name__)

#: What a waiting call costs beside its arguments, in bytes; an estimate.
_CALL_SIZE = 256


#: The result of a call, or what it is to be awaited from; with what its handler was given.
_Begun = tuple[Record | Awaitable[Record], HandlerCall | None]


class Client(RelayOwner, StreamsOwner):
    """Serves one connection until it ends; then its session ends.

    Args:
        service: The driver.
        transport: The connection; started here.
        limits: What this client may use.
        readonly: It came over the read-only socket.
        polkit: Who is asked whether it may use that socket, unless it is root or virtproxyd; None:
            nobody.
        relay_uid: The user of virtproxyd, who is believed for whom it speaks.
        changed: Told when the client has authenticated, and when it has gone.

    Attributes:
        number: What tells it from the others of its server.
        since: When it came, in seconds since the epoch.
        gone: Done when its session has ended.
    """

    def __init__(
        self,
        service: Service,
        transport: Transport,
        limits: Limits,
        *,
        readonly: bool,
        changed: Callable[[Client], None],
        polkit: Polkit | None = None,
        relay_uid: int | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.number = 0
        self.since = int(time.time())
        self.gone: asyncio.Future[None] = loop.create_future()
        self._service = service
        self._transport = transport
        self._limits = limits
        self._changed = changed
        self._connection = ServerConnection(
            find, service.programs, max_length=limits.anonymous_message
        )
        self._outbox = Outbox(transport, limits.unsent, self._cut)
        self._send = self._outbox.send
        peer = transport.peer
        self._session = Session(identity_of(peer, readonly=readonly), self._send_event)
        self._relay_uid = relay_uid
        self._admission = Admission(
            peer,
            None if relay_uid is not None and peer.uid == relay_uid else polkit,
            readonly=readonly,
            seconds=limits.anonymous_seconds,
            admitted=self._admit,
            expired=lambda: self._cut("it did not authenticate in time"),
        )
        self._relay: Relay | None = None
        self._primary: Route | None = None
        self._dispatcher: Dispatcher | None = None  # another driver's than the service's
        self._opened = False
        #: What our driver serves, whoever asks what.
        self._served: dict[Procedure[Any, Any], Dispatcher] = {}
        self._closing = False
        self._waiting: deque[Call] = deque()
        self._waiting_bytes = 0
        self._running: set[asyncio.Task[None]] = set()
        self._streams = Streams(self, self._connection, transport, self._outbox)
        self._room = asyncio.Event()
        self._room.set()
        self._held_up = False
        self._behind = False  # the client does not read what is sent
        self._was_behind = False
        self._ending: asyncio.Task[None] | None = None
        self._keepalive = Keepalive(
            self._connection, limits, excused=self._cannot_answer, send=self._send, cut=self._cut
        )
        transport.high_water = PRESSURE
        transport.start(self._arrived, self._lost, self._pressure)
        if not service.handshake:
            self._admission.ways()
            self._opened = True

    # -- the connection ------------------------------------------------------------------------

    def _arrived(self, data: bytes, fds: Sequence[int]) -> None:
        if self._relay is None and not fds:
            call = self._connection.usual(data)
            if call is not None:
                self._outbox.hold()
                self._take_call(call)
                if self._closing or self._waiting or self._streams or self._held_up:
                    self._after_arrival()
                return
        if self._relay is not None and not fds:
            data = self._pass_by(self._relay, data)
            if not data:
                return
        elif self._relay is not None:
            data = self._relay.take_back() + data
        alone = self._outbox.gather()
        try:
            for message in self._connection.receive(data, fds):
                self._take(message)
            self._send(self._connection.data_to_send())
        except FramingError as exc:
            self._cut(str(exc))
        except MemoryError as exc:
            end_if_out_of_memory(exc)
        if alone:
            self._outbox.release()
        self._after_arrival()

    def _after_arrival(self) -> None:
        if self._closing:
            self._outbox.release()
            self._transport.close()
        self._regulate()

    def _pass_by(self, relay: Relay, data: bytes) -> bytes:
        """Passes on what is another daemon's and can go at once; what is left comes back."""
        connection = self._connection
        quick = not (self._waiting or self._closing or self._behind)
        if not quick or not connection.between_messages:
            return relay.take_back() + data
        connection.passed_by()
        return relay.pass_on(data)

    def _cut(self, why: str) -> None:
        logger.warning("the client %s is cut off: %s", self._transport.peer, why)
        self._transport.abort()

    def _pressure(self, high: bool) -> None:
        if high:
            self._behind = self._was_behind = True
            self._room.clear()
        elif self._transport.deaf:
            self._transport.abort()
        else:
            self._behind = False
            self._room.set()
            self._run_waiting()
        if self._relay is not None:
            self._relay.pause(high)
        self._regulate()

    def _regulate(self) -> None:
        """Reads on, or lets the client wait in its socket.

        One that does not read is read all the same: what it says may be the end of the very stream
        that fills its socket. Its calls wait, and what waits is bounded.
        """
        if not (self._waiting or self._streams or self._held_up or self._relay is not None):
            return  # as nearly always: nothing waits, and reading goes on
        if self._transport.closed:
            return
        if self._is_full():
            self._held_up = True
            self._transport.pause_reading()
        else:
            self._held_up = False
            self._transport.resume_reading()

    def _is_full(self) -> bool:
        full = self._held() > self._limits.waiting
        return full or (self._relay is not None and self._relay.full)

    def _cannot_answer(self) -> bool:
        """Whether it does not read, or is not read: what is asked waits."""
        return self._behind or self._streams.read_by_thread or self._is_full()

    def _held(self) -> int:
        """Bytes that wait here."""
        return self._waiting_bytes + self._streams.waiting

    @property
    def identity(self) -> Identity:
        """For whom it calls."""
        return self._session.identity

    @property
    def session(self) -> Session:
        """What a driver sees of it."""
        return self._session

    @property
    def peer(self) -> PeerIdentity:
        """Who is at the other end."""
        return self._transport.peer

    @property
    def encrypted(self) -> bool:
        """Whether nobody on the way can read what is said."""
        return self._transport.encrypted

    @property
    def waiting(self) -> int:
        """How many of its calls wait for their turn."""
        return len(self._waiting)

    @property
    def authenticated(self) -> bool:
        """Whether it may make calls."""
        return self._admission.done

    def close(self) -> None:
        """Ends the connection from our side; :attr:`gone` is done when its session has ended."""
        self._transport.abort()

    def _lost(self, error: Exception | None) -> None:
        if error is not None:
            end_if_out_of_memory(error)
            logger.warning("the connection of %s broke: %r", self._transport.peer, error)
        self._admission.end()
        self._keepalive.end()
        self._connection.close()
        for call in self._waiting:
            call.discard()
        self._waiting.clear()
        self._streams.abort()
        if self._relay is not None:
            self._relay.close()
        self._ending = asyncio.ensure_future(self._end())

    async def _end(self) -> None:
        await self._session.close()
        if self._running:
            await asyncio.wait(self._running)
        self.gone.set_result(None)
        self._changed(self)
        if self._was_behind:
            give_back()

    # -- calls ---------------------------------------------------------------------------------

    def _take(self, message: Incoming) -> None:
        if isinstance(message, Call):
            self._take_call(message)
        elif isinstance(
            message, (StreamPiece, StreamData, StreamHole, StreamFinished, StreamAborted)
        ):
            self._streams.take(message)
        elif isinstance(message, Passed):
            if self._relay is not None:
                self._relay.stream(message)
        else:
            message.discard()

    def _take_call(self, call: Call) -> None:
        if self._closing:
            call.discard()
        elif not self._waiting and self._may_run():
            self._serve(call)
        else:
            self._waiting.append(call)
            self._waiting_bytes += len(call.payload) + _CALL_SIZE

    def _may_run(self) -> bool:
        running = self._running  # as nearly always: none
        return not self._behind and (not running or len(running) < self._limits.requests)

    def _run_waiting(self) -> None:
        while self._waiting and self._may_run() and not self._closing:
            call = self._waiting.popleft()
            self._waiting_bytes -= len(call.payload) + _CALL_SIZE
            self._serve(call)
        if self._closing and not self._outbox.holding:
            self._transport.close()

    def _serve(self, message: Call) -> None:
        """Answers at once where nothing has to be waited for."""
        try:
            procedure = message.procedure
            dispatcher = None if procedure is None else self._served.get(procedure)
            if procedure is not None and dispatcher is not None:
                begun = self._dispatch(message, procedure, dispatcher)
            elif self._pass_on(message):
                return
            else:
                begun = self._begin(message)
        except VirloomError as exc:
            self._send(self._connection.error(message, exc))
            return
        except MemoryError as exc:
            end_if_out_of_memory(exc)
        finally:
            if message.fds:
                message.discard()  # descriptors that no handler has
        result, call = begun
        if isinstance(result, Record):
            self._answer(message, result, call)
        else:
            task = asyncio.ensure_future(self._finish(message, result, call))
            self._running.add(task)
            task.add_done_callback(self._finished)

    def _pass_on(self, message: Call) -> bool:
        """Passes a call on that another daemon serves; False for all others."""
        procedure = message.procedure
        if procedure is None or not self._opened or message.problem is not None:
            return False
        if procedure.program == gate.REMOTE and procedure.number in gate.OWN:
            if procedure.number != gate.SUPPORTS_FEATURE or self._primary is None:
                return False
            if message.arguments().feature == gate.KEEPALIVE_FEATURE:
                return False
        if self._dispatcher is not None:
            return False
        route = self._service.route(procedure) or self._primary
        if route is None:
            return False
        if self._session.identity.readonly:
            check_readonly(procedure, message.arguments())
        self._relayed().call(message, route, self._session.identity)
        return True

    def _relayed(self) -> Relay:
        if self._relay is None:
            self._relay = Relay(self, self._connection, self._transport.carries_fds)
        return self._relay

    def relay_sends(self, data: bytes, fds: Sequence[int] = ()) -> None:
        self._send(data, fds)

    def relay_room(self) -> None:
        self._regulate()

    def relay_cuts(self, why: str) -> None:
        self._cut(why)

    def _begin(self, message: Call) -> _Begun:
        if message.problem is not None:
            raise message.problem
        procedure = message.procedure
        assert procedure is not None
        if procedure.number in gate.OWN and procedure.program == gate.REMOTE:
            own = self._own_call(message, procedure.number)
            if own is not None:
                return own, None
        elif self._opened:
            self._served[procedure] = self._driver
        if not self._opened:
            gate.check_authenticated(self._admission.done)
            gate.check_open(self._opened)
        return self._dispatch(message, procedure, self._driver)

    @property
    def _driver(self) -> Dispatcher:
        return self._dispatcher or self._service.dispatcher

    def _dispatch(
        self, message: Call, procedure: Procedure[Any, Any], dispatcher: Dispatcher
    ) -> _Begun:
        """Has the driver answer a call."""
        args = message.arguments()
        if self._session.identity.readonly:
            check_readonly(procedure, args)
        fds = message.take_fds() if message.fds else ()
        call = HandlerCall(self._session, procedure, fds)
        try:
            return dispatcher.start(call, args), call
        except NoSupport as exc:
            if exc.detail != procedure.name:
                raise
            # Nobody serves it: as libvirt says.
            raise NoSupport(procedure.api_name, domain=error_domain(procedure)) from None

    async def _finish(
        self, message: Call, outcome: Awaitable[Record], call: HandlerCall | None
    ) -> None:
        try:
            result = await outcome
        except VirloomError as exc:
            self._send(self._connection.error(message, exc))
            return
        self._answer(message, result, call)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            end_if_out_of_memory(error)
            logger.error("a call failed unexpectedly", exc_info=error)
        self._run_waiting()
        self._regulate()

    def _answer(self, message: Call, result: Record, call: HandlerCall | None) -> None:
        if call is not None and call.gives:
            with call.given_fds() as fds:
                self._answer_with_fds(message, result, fds)
        else:
            self._send(self._connection.reply(message, result))
        if call is not None and call.stream is not None:
            self._streams.attach(message.serial, call.stream, call)

    def _answer_with_fds(self, message: Call, result: Record, fds: OwnedFds) -> None:
        if not self._transport.carries_fds:
            error: VirloomError = InternalError(
                "Sending file descriptors is not supported on this socket", domain=ErrorDomain.RPC
            )
            self._send(self._connection.error(message, error))
            return
        try:
            data = self._connection.try_reply(message, result, fds.numbers)
        except (XdrError, FramingError) as exc:
            error = InternalError(f"cannot send the result: {exc}", domain=ErrorDomain.RPC)
            self._send(self._connection.error(message, error))
            return
        try:
            self._send(data, fds.numbers)
        except OSError as exc:  # no descriptor is left for a copy
            error = system_failure("cannot pass the file descriptors", exc)
            self._send(self._connection.error(message, error))

    # -- calls that the frame answers ----------------------------------------------------------

    def _own_call(self, message: Call, number: int) -> Record | Awaitable[Record] | None:
        """The result of a call that is about the connection itself; None for a driver's."""
        if number == gate.AUTH_LIST:
            return self._admission.ways()
        if number == gate.AUTH_POLKIT:
            return self._admission.authorize()
        if number in gate.AUTH_SASL:
            message.arguments()
            raise not_offered()
        gate.check_authenticated(self.authenticated)
        if number == gate.OPEN:
            return self._open(message.arguments())
        if number == gate.SET_IDENTITY:
            return self._take_identity(message.arguments())
        if number == gate.CLOSE:
            self._closing = True
            return VOID
        if (
            number == gate.SUPPORTS_FEATURE
            and message.arguments().feature == gate.KEEPALIVE_FEATURE
        ):
            self._keepalive.start()
            return ConnectSupportsFeatureRet(1)
        return None

    def _take_identity(self, args: Any) -> Record:
        gate.check_open(self._opened)
        readonly = self._session.identity.readonly
        self._session.identity = claimed_identity(
            self._transport.peer,
            args.params,
            readonly=readonly,
            token=self._service.token,
            relay_uid=self._relay_uid,
        )
        return VOID

    def _admit(self) -> None:
        self._connection.limit_length(MAX_LENGTH)
        self._changed(self)

    def _open(self, args: Any) -> Record | Awaitable[Record]:
        if self._opened:
            raise InternalError("connection already open", domain=ErrorDomain.RPC)
        if args.name is None:  # libvirtd's answer; its clients always name what they open
            raise InternalError("connection not open", domain=ErrorDomain.RPC)
        another = self._service.another(args.name) if args.name else None
        if another is None and args.name:
            self._service.check_uri(args.name)
        if args.flags & 1:  # VIR_CONNECT_RO; libvirtd looks at no other flag
            self._session.identity = self._session.identity._replace(readonly=True)
        if another is not None:
            return self._open_another(another)
        primary = self._service.primary(args.name)
        if primary is not None:
            return self._open_behind(primary)
        self._opened = True
        return VOID

    async def _open_another(self, opening: Awaitable[Another]) -> Record:
        another = await opening
        if self._session.closed:
            await another.leave()
            raise InternalError("the client has gone", domain=ErrorDomain.RPC)
        # Ends after all that the driver does at the session's end.
        self._session.on_close(another.leave)
        self._dispatcher = another.dispatcher
        self._opened = True
        return VOID

    async def _open_behind(self, primary: Route) -> Record:
        await self._relayed().open(primary, self._session.identity)
        self._primary = primary
        self._opened = True
        return VOID

    # -- events and streams --------------------------------------------------------------------

    def _send_event(
        self, procedure: Procedure[Any, Void], message: Record, encoded: bytes | None
    ) -> None:
        try:
            self._send(self._connection.event(procedure, message, encoded))
        except (XdrError, FramingError) as exc:
            logger.error("the event %s cannot be sent: %s", procedure.name, exc)

    def streams_room(self) -> None:
        self._regulate()

    def streams_cut(self, why: str) -> None:
        self._cut(why)

    def streams_leave(self, rest: bytes, fds: Sequence[int]) -> None:
        self._arrived(rest, fds)

    def may_be_read_by_thread(self, taken: int) -> bool:
        return self._relay is None and self._held() - taken <= self._limits.waiting

    async def writable(self) -> None:
        await self._room.wait()
