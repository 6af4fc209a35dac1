# SPDX-License-Identifier: Apache-2.0
"""One client's connection to another daemon: opened in its name, then bytes pass.

The client's own serials are used, for nobody else speaks on it once it is open. What goes through
is not decoded; only the headers of calls, replies and streams are looked at, to know what still
waits for an answer when the daemon goes away.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence

from virloom.daemon.memory import end_if_out_of_memory
from virloom.daemon.relay.ledger import Ledger, failure
from virloom.daemon.relay.opening import Opening, gone
from virloom.daemon.relay.routes import Route
from virloom.endpoint.endpoint import copies_to_send
from virloom.endpoint.identity import Identity
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, VirloomError, system_failure
from virloom.host.fdpass import OwnedFds
from virloom.rpc import keepalive
from virloom.rpc.messages import Call
from virloom.rpc.packet import (
    WITH_FDS,
    Framer,
    FramingError,
    Header,
    Packet,
    close_fds,
    pack,
)
from virloom.rpc.passage import Passage, Send
from virloom.transport.base import Transport, TransportClosed
from virloom.transport.unix import connect_unix

#: Bytes that the daemon has not taken, above which the client waits.
PRESSURE = 1 << 20


class UpstreamOwner(ABC):
    """The client's side of a relayed connection."""

    #: Whether descriptors can go to the client.
    carries_fds: bool

    @abstractmethod
    def upstream_sends(self, data: bytes, fds: Sequence[int] = ()) -> None:
        """Messages of the daemon, for the client; the descriptors stay the caller's.

        Raises:
            OSError: There can be no copy of a descriptor; nothing is sent.
        """

    @abstractmethod
    def upstream_answered(self, serial: int) -> None:
        """Nothing more belongs to this call, which has a stream."""

    @abstractmethod
    def upstream_lost(self, upstream: Upstream, error: VirloomError) -> None:
        """The daemon has gone; the calls that waited have been answered with *error*."""

    @abstractmethod
    def upstream_room(self) -> None:
        """How much waits for the daemon has changed."""


class Upstream:
    """A connection to another daemon.

    Args:
        route: Which one, and what is opened there.
        identity: For whom.
        owner: The client's side.

    Attributes:
        ready: Whether bytes pass; before that they are held.
        expect: Told of a call that is passed on by :attr:`send`.
        send: Sends bytes of whole messages to the daemon that is ready.
    """

    def __init__(self, route: Route, identity: Identity, owner: UpstreamOwner) -> None:
        self.route = route
        self.ready = False
        self.send: Send = self._send
        self._identity = identity
        self._owner = owner
        self._transport: Transport | None = None
        self._opening: Opening | None = None
        self._framer = Framer()
        self._to_client: Send = owner.upstream_sends
        self._passage = Passage(self._way, self._note)
        self._ledger = Ledger()
        self.expect = self._ledger.expect
        self._held: list[tuple[int, bytes, OwnedFds | None]] = []
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
        self._opening = Opening(self.route, self._identity, transport)
        transport.high_water = PRESSURE
        transport.start(self._arrived, self._lost, self._pressed)
        await self._opening.introduce()
        self._opening = None
        self._release()

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
        self.ready = True
        self._regulate()
        held, self._held, self._held_bytes = self._held, [], 0
        for serial, data, fds in held:
            with fds or OwnedFds() as owned:
                try:
                    self._send(data, owned.numbers)
                except OSError as exc:  # no descriptor is left for a copy
                    self._refuse(serial, _no_copies(exc))
        self._owner.upstream_room()

    # -- from the client -----------------------------------------------------------------------

    def call(self, call: Call, data: bytes) -> None:
        """A call as it came; its descriptors are the caller's.

        Raises:
            SystemFailure: They cannot be passed on; nothing has happened.
        """
        assert call.procedure is not None
        self.expect(call.header, call.procedure)
        try:
            self._forward(call.serial, data, call.fds)
        except (OSError, VirloomError) as exc:
            self._ledger.forget(call.serial)
            raise (exc if isinstance(exc, VirloomError) else _no_copies(exc)) from exc

    def ask(self, data: bytes) -> None:
        """Passes a whole call on that opens no stream and registers for nothing."""
        self._ledger.ask(data)
        assert self._transport is not None
        with contextlib.suppress(TransportClosed):  # who waits is told in a moment
            self._transport.send(data)

    def stream(self, header: Header, payload: bytes) -> None:
        """A packet for a stream of this daemon."""
        if self._ledger.knows(header.serial):
            self._forward(header.serial, pack(header, payload), ())

    def _forward(self, serial: int, data: bytes, fds: Sequence[int]) -> None:
        if self.ready:
            self._send(data, fds)
        else:
            self._held.append((serial, data, copies_to_send(fds) if fds else None))
            self._held_bytes += len(data)

    def _send(self, data: bytes, fds: Sequence[int] = ()) -> None:
        if self._transport is not None and not self._transport.closed:
            self._transport.send(data, fds)  # else those who wait are told in a moment

    @property
    def registrations(self) -> int:
        """How often the client asked to be told of something there."""
        return self._ledger.registrations

    @property
    def full(self) -> bool:
        """Whether the client is to wait until the daemon has taken what it said."""
        unsent = self._transport.unsent if self._transport is not None else 0
        return self._held_bytes + unsent > PRESSURE

    def pause(self, paused: bool) -> None:
        """Whether the client takes nothing for now."""
        self._paused = paused
        if self.ready:  # the daemon's first answers are for us
            self._regulate()

    def _regulate(self) -> None:
        if self._transport is not None and not self._transport.closed:
            if self._paused:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    # -- from the daemon -----------------------------------------------------------------------

    def _arrived(self, data: bytes, fds: Sequence[int]) -> None:
        if self._opening is not None:
            self._opening.receive(data, fds)
            return
        if not fds and self._framer.between_messages:
            if not self._passage.kept and self._ledger.is_plain_answer(data):
                self._to_client(data)
                return
            data = self._passage.feed(data)
            if not data:
                return
        elif self._passage.kept:
            data = self._passage.take_back() + data
        for packet in self._framer.feed(data, fds):
            self._pass(packet)

    def _way(self, header: Header) -> Send | None:
        """All goes to the client but what is for us, and what descriptors belong to."""
        looked_at = header.program == keepalive.PROGRAM or header.type in WITH_FDS
        return None if looked_at else self._to_client

    def _note(self, header: Header) -> None:
        if self._ledger.note(header):
            self._owner.upstream_answered(header.serial)

    def _pass(self, packet: Packet) -> None:
        """Passes a message on that had to be looked at."""
        header = packet.header
        if header.program == keepalive.PROGRAM:
            close_fds(packet.fds)
            if header.procedure == keepalive.PING_NUMBER:
                self._send(keepalive.PONG)
            return
        self._note(header)
        if not packet.fds:
            self._owner.upstream_sends(packet.packed())
            return
        with OwnedFds(packet.fds) as owned:
            if not self._owner.carries_fds:
                self._owner.upstream_sends(failure(header, _NO_DESCRIPTORS))
                return
            try:
                self._owner.upstream_sends(packet.packed(), owned.numbers)
            except OSError as exc:  # no descriptor is left for a copy
                self._owner.upstream_sends(failure(header, _no_copies(exc)))

    def _pressed(self, high: bool) -> None:
        self._owner.upstream_room()

    # -- the end -------------------------------------------------------------------------------

    def _lost(self, error: Exception | None) -> None:
        framing = isinstance(error, FramingError)
        how = f"sent what is no message: {error}" if framing else "has gone away"
        failure = gone(self.route, how)
        if self._opening is not None:
            self._opening.fail(failure)
        elif self.ready:
            self._fail(failure)

    def _refuse(self, serial: int, error: VirloomError) -> None:
        """Answers a call that could not be passed on."""
        header, procedure = self._ledger.forget(serial)
        if procedure.stream != "none":
            self._owner.upstream_answered(serial)
        self._owner.upstream_sends(failure(header, error))

    def _fail(self, error: VirloomError) -> None:
        """Answers all that waited with *error*."""
        if self._closed:
            return
        self.close()
        serials, output = self._ledger.close(error)
        for serial in serials:
            self._owner.upstream_answered(serial)
        if output:
            self._owner.upstream_sends(output)
        self._owner.upstream_lost(self, error)

    def close(self) -> None:
        """Ends the connection; what the client had there ends with it."""
        self._closed = True
        self.opened.cancel()
        for _, _, fds in self._held:
            if fds is not None:
                fds.close()
        self._held.clear()
        self._framer.close()
        if self._transport is not None:
            self._transport.abort()


#: The answer instead of one with descriptors, to a client that cannot get any.
_NO_DESCRIPTORS = InternalError(
    "Sending file descriptors is not supported on this socket", domain=ErrorDomain.RPC
)


def _no_copies(cause: OSError) -> VirloomError:
    return system_failure("cannot pass the file descriptors", cause)
