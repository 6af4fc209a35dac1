# SPDX-License-Identifier: Apache-2.0
"""One client's connection to another daemon: opened in its name, then bytes pass.

The client's own serials are used, for nobody else speaks on it once it is open. What goes through
is not decoded; only the headers of calls, replies and streams are looked at, to know what still
waits for an answer when the daemon goes away.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from virloom.daemon.claimed import stated_identity
from virloom.daemon.memory import end_if_out_of_memory
from virloom.daemon.relay.routes import Route
from virloom.endpoint.endpoint import copies_to_send
from virloom.endpoint.identity import Identity
from virloom.enums.error import ErrorDomain
from virloom.errors import AuthFailed, InternalError, VirloomError, system_failure
from virloom.host.fdpass import OwnedFds
from virloom.procedures import connect as p
from virloom.procedures import find
from virloom.procedures.record import VOID, Procedure, Record
from virloom.rpc import keepalive
from virloom.rpc.connection import ClientConnection
from virloom.rpc.errors import encode_error
from virloom.rpc.messages import Call, Passed, Reply
from virloom.rpc.packet import (
    Framer,
    FramingError,
    Header,
    MessageStatus,
    MessageType,
    Packet,
    close_fds,
    pack,
)
from virloom.transport.base import Transport, TransportClosed
from virloom.transport.unix import connect_unix

#: Bytes that the daemon has not taken, above which the client waits.
PRESSURE = 1 << 20
#: Seconds for the daemon's first answers.
_PATIENCE = 30.0

_REPLY, _REPLY_WITH_FDS = int(MessageType.REPLY), int(MessageType.REPLY_WITH_FDS)
_STREAM, _STREAM_HOLE = int(MessageType.STREAM), int(MessageType.STREAM_HOLE)
_OK, _ERROR = int(MessageStatus.OK), int(MessageStatus.ERROR)
_CONTINUE = int(MessageStatus.CONTINUE)
_AUTH_NONE, _AUTH_POLKIT = 0, 2
#: ``VIR_CONNECT_RO``
_READ_ONLY = 1


class UpstreamOwner(ABC):
    """The client's side of a relayed connection."""

    #: Whether descriptors can go to the client.
    carries_fds: bool

    @abstractmethod
    def upstream_sends(self, data: bytes, fds: Sequence[int]) -> None:
        """Messages of the daemon, for the client; the descriptors stay the caller's."""

    @abstractmethod
    def upstream_answered(self, serial: int) -> None:
        """Nothing more belongs to this call."""

    @abstractmethod
    def upstream_lost(self, upstream: Upstream, error: VirloomError) -> None:
        """The daemon has gone; the calls that waited have been answered with *error*."""

    @abstractmethod
    def upstream_room(self) -> None:
        """How much waits for the daemon has changed."""


class _Waiting(NamedTuple):
    """A call whose answer, or whose stream, is with the daemon."""

    header: Header
    procedure: Procedure[Any, Any]


class Upstream:
    """A connection to another daemon.

    Args:
        route: Which one, and what is opened there.
        identity: For whom.
        owner: The client's side.

    Attributes:
        registrations: How often the client asked to be told of something there.
    """

    def __init__(self, route: Route, identity: Identity, owner: UpstreamOwner) -> None:
        self.route = route
        self.registrations = 0
        self._identity = identity
        self._owner = owner
        self._transport: Transport | None = None
        self._setup: ClientConnection | None = ClientConnection(find)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._framer = Framer()
        self._waiting: dict[int, _Waiting] = {}
        self._streams: dict[int, _Waiting] = {}
        self._held: list[tuple[bytes, OwnedFds | None]] = []
        self._held_bytes = 0
        self._paused = False
        self._closed = False
        self.opened: asyncio.Task[None] = asyncio.ensure_future(self._open())
        self.opened.add_done_callback(self._opening_ended)

    # -- opening -------------------------------------------------------------------------------

    async def _open(self) -> None:
        """Connects, says for whom, and opens.

        Raises:
            VirloomError: The daemon is away, or refuses.
        """
        path = self.route.socket(readonly=self._identity.readonly)
        try:
            transport = await connect_unix(str(path))
        except OSError as exc:
            raise system_failure(
                f"{self.route.daemon} cannot be reached at '{path}'", exc, domain=ErrorDomain.RPC
            ) from exc
        if self._closed:
            transport.abort()
            return
        self._transport = transport
        transport.high_water = PRESSURE
        transport.start(self._arrived, self._lost, self._pressed)
        if transport.peer.pid == os.getpid():
            raise InternalError(
                f"{self.route.daemon} at '{path}' is this daemon itself: a relay into itself",
                domain=ErrorDomain.RPC,
            )
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._introduce(transport)
        except TimeoutError as exc:
            raise self._gone("does not answer") from exc
        self._setup = None
        self._release()

    async def _introduce(self, transport: Transport) -> None:
        offered = (await self._ask(p.AUTH_LIST, VOID)).types
        if _AUTH_NONE not in offered:
            if _AUTH_POLKIT not in offered:
                raise AuthFailed(
                    f"{self.route.daemon} asks for authentication that a relay cannot give",
                    domain=ErrorDomain.RPC,
                )
            await self._ask(p.AUTH_POLKIT, VOID)
        flags = _READ_ONLY if self._identity.readonly else 0
        await self._ask(p.CONNECT_OPEN, p.ConnectOpenArgs(self.route.uri, flags))
        # It believes root and its own user only; another relay speaks for itself.
        if os.geteuid() in (0, transport.peer.uid):
            parameters = stated_identity(self._identity)
            await self._ask(p.CONNECT_SET_IDENTITY, p.ConnectSetIdentityArgs(parameters, 0))

    async def _ask(self, procedure: Procedure[Any, Any], args: Record) -> Any:
        assert self._setup is not None
        assert self._transport is not None
        serial, data = self._setup.call(procedure, args)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[serial] = answer
        try:
            self._transport.send(data)
        except TransportClosed as exc:
            raise self._gone() from exc
        result = await answer
        if isinstance(result, VirloomError):
            raise result
        return result

    def _opening_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, VirloomError):
            self._fail(error)
        elif error is not None:
            end_if_out_of_memory(error)
            self._fail(InternalError(f"{self.route.daemon}: {error!r}", domain=ErrorDomain.RPC))

    def _release(self) -> None:
        """Sends what came while it was being opened."""
        self._regulate()
        held, self._held, self._held_bytes = self._held, [], 0
        for data, fds in held:
            with fds or OwnedFds() as owned:
                self._send(data, owned.numbers)
        self._owner.upstream_room()

    # -- from the client -----------------------------------------------------------------------

    def call(self, call: Call, data: bytes) -> None:
        """A call as it came; its descriptors are the caller's."""
        assert call.procedure is not None
        self._waiting[call.serial] = _Waiting(call.header, call.procedure)
        self._forward(data, call.fds)

    def stream(self, message: Passed) -> None:
        """A packet for a stream of this daemon."""
        if message.header.serial in self._streams or message.header.serial in self._waiting:
            self._forward(pack(message.header, message.payload), ())

    def _forward(self, data: bytes, fds: Sequence[int]) -> None:
        if self._setup is None:
            self._send(data, fds)
        else:
            self._held.append((data, copies_to_send(fds) if fds else None))
            self._held_bytes += len(data)

    def _send(self, data: bytes, fds: Sequence[int]) -> None:
        if self._transport is not None:
            with contextlib.suppress(TransportClosed):  # told to those who wait, in a moment
                self._transport.send(data, fds)

    @property
    def unsent(self) -> int:
        """Bytes that the daemon has not taken yet."""
        return self._held_bytes + (self._transport.unsent if self._transport is not None else 0)

    def pause(self, paused: bool) -> None:
        """Whether the client takes nothing for now."""
        self._paused = paused
        if self._setup is None:  # the daemon's first answers are for us
            self._regulate()

    def _regulate(self) -> None:
        if self._transport is not None and not self._transport.closed:
            if self._paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    # -- from the daemon -----------------------------------------------------------------------

    def _arrived(self, data: bytes, fds: Sequence[int]) -> None:
        if self._setup is not None:
            for message in self._setup.receive(data, fds):
                if isinstance(message, Reply):
                    self._told(message)
                message.discard()
            return
        output: list[bytes] = []
        for packet in self._framer.feed(data, fds):
            self._pass(packet, output)
        if output:
            self._owner.upstream_sends(b"".join(output), ())

    def _told(self, reply: Reply) -> None:
        answer = self._answers.pop(reply.serial, None)
        if answer is not None and not answer.done():
            answer.set_result(reply.result)

    def _pass(self, packet: Packet, output: list[bytes]) -> None:
        header = packet.header
        if header.program == keepalive.PROGRAM:
            close_fds(packet.fds)
            if header.procedure == keepalive.PING_NUMBER:
                self._send(keepalive.PONG, ())
            return
        if header.type in (_REPLY, _REPLY_WITH_FDS):
            self._note_reply(header)
        elif header.type in (_STREAM, _STREAM_HOLE) and header.status != _CONTINUE:
            self._streams.pop(header.serial, None)
            self._owner.upstream_answered(header.serial)
        if not packet.fds:
            output.append(pack(header, packet.payload))
            return
        if output:
            self._owner.upstream_sends(b"".join(output), ())
            output.clear()
        with OwnedFds(packet.fds) as owned:
            if self._owner.carries_fds:
                data = pack(header, packet.payload, len(owned.numbers))
                self._owner.upstream_sends(data, owned.numbers)
            else:
                output.append(_no_descriptors(header))

    def _note_reply(self, header: Header) -> None:
        waiting = self._waiting.pop(header.serial, None)
        if waiting is None:
            return
        if header.status == _OK:
            self.registrations += _registers(waiting.procedure)
            if waiting.procedure.stream != "none":
                self._streams[header.serial] = waiting
                return
        self._owner.upstream_answered(header.serial)

    def _pressed(self, high: bool) -> None:
        self._owner.upstream_room()

    # -- the end -------------------------------------------------------------------------------

    def _gone(self, how: str = "has gone away") -> VirloomError:
        return InternalError(f"{self.route.daemon} {how}", domain=ErrorDomain.RPC)

    def _lost(self, error: Exception | None) -> None:
        how = f"sent what is no message: {error}" if isinstance(error, FramingError) else ""
        failure = self._gone(how) if how else self._gone()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(failure)
        if self._setup is None:
            self._fail(failure)

    def _fail(self, error: VirloomError) -> None:
        """Answers all that waited with *error*."""
        if self._closed:
            return
        self.close()
        output = [
            pack(waiting.header._replace(type=_REPLY, status=_ERROR), encode_error(error))
            for waiting in self._waiting.values()
        ]
        output += [
            pack(waiting.header._replace(type=_STREAM, status=_ERROR), encode_error(error))
            for waiting in self._streams.values()
        ]
        serials = [*self._waiting, *self._streams]
        self._waiting.clear()
        self._streams.clear()
        for serial in serials:
            self._owner.upstream_answered(serial)
        if output:
            self._owner.upstream_sends(b"".join(output), ())
        self._owner.upstream_lost(self, error)

    def close(self) -> None:
        """Ends the connection; what the client had there ends with it."""
        self._closed = True
        self.opened.cancel()
        for _, fds in self._held:
            if fds is not None:
                fds.close()
        self._held.clear()
        self._framer.close()
        if self._transport is not None:
            self._transport.abort()


def _registers(procedure: Procedure[Any, Any]) -> int:
    """How a call changes the number of things that the client is told of."""
    name = procedure.name
    if "UNREGISTER" in name or "DEREGISTER" in name:
        return -1
    event = "_EVENT_" in name and "_REGISTER" in name
    return int(event or name == "CONNECT_REGISTER_CLOSE_CALLBACK")


def _no_descriptors(header: Header) -> bytes:
    """The answer instead of one with descriptors, to a client that cannot get any."""
    error = InternalError(
        "Sending file descriptors is not supported on this socket", domain=ErrorDomain.RPC
    )
    return pack(header._replace(type=_REPLY, status=_ERROR), encode_error(error))
