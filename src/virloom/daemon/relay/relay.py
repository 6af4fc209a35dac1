# SPDX-License-Identifier: Apache-2.0
"""The connections of one client to other daemons: one for each, opened when first needed."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from virloom.daemon import gate
from virloom.daemon.memory import keep_for_streams
from virloom.daemon.relay.ledger import registers
from virloom.daemon.relay.routes import Route
from virloom.daemon.relay.upstream import Upstream, UpstreamOwner
from virloom.endpoint.identity import Identity
from virloom.endpoint.readonly import error_domain, never_denied
from virloom.errors import NoSupport, VirloomError
from virloom.procedures.record import Procedure
from virloom.rpc.connection import VERSION, ServerConnection
from virloom.rpc.messages import Call, Passed
from virloom.rpc.packet import Header, MessageStatus, MessageType, is_whole
from virloom.rpc.passage import Passage, Send

_CALL, _STREAM, _STREAM_HOLE = (
    int(MessageType.CALL),
    int(MessageType.STREAM),
    int(MessageType.STREAM_HOLE),
)
_OK = int(MessageStatus.OK)
_OK_WORD = bytes(4)
_PLAIN = struct.Struct(">IIii")  # program, version, procedure, type


class RelayOwner(ABC):
    """The client that is relayed."""

    @abstractmethod
    def relay_sends(self, data: bytes, fds: Sequence[int] = ()) -> None:
        """Sends what came for the client.

        Raises:
            OSError: There can be no copy of a descriptor; nothing is sent.
        """

    @abstractmethod
    def relay_room(self) -> None:
        """How much waits for a daemon has changed."""

    @abstractmethod
    def relay_cuts(self, why: str) -> None:
        """Cuts the client off: what it was promised cannot be kept."""


class Relay(UpstreamOwner):
    """Passes calls of one client on.

    The first call of a procedure is looked at by the client, which finds its way. Further ones go
    from one socket to the other by what their header says (:meth:`pass_on`), and so do streams.

    Args:
        owner: The client.
        connection: Its end of the protocol, which tells relayed streams apart.
        carries_fds: Whether descriptors can go to the client.
    """

    def __init__(self, owner: RelayOwner, connection: ServerConnection, carries_fds: bool) -> None:
        self._owner = owner
        self._connection = connection
        self.carries_fds = carries_fds
        self._upstreams: dict[str, Upstream] = {}
        self._streams: dict[int, Upstream] = {}
        self._known: dict[tuple[int, int], tuple[Upstream, Procedure[Any, Any]]] = {}
        self._plain: dict[bytes, Send] = {}  # the same by the words of a header
        self._passage = Passage(self._way, self._note)
        self._paused = False

    async def open(self, route: Route, identity: Identity) -> None:
        """Opens the connection to a daemon, for a client that waits for that.

        Raises:
            VirloomError: It is away, or refuses.
        """
        upstream = self._to(route, identity)
        await upstream.opened

    def call(self, call: Call, route: Route, identity: Identity) -> None:
        """Passes a call on; its answer goes to the client by itself.

        Raises:
            NoSupport: That daemon is not installed.
            SystemFailure: Its descriptors cannot be passed on.
        """
        procedure = call.procedure
        assert procedure is not None
        if route.daemon not in self._upstreams:
            _refuse_absent(route, procedure)
        upstream = self._to(route, identity)
        upstream.call(call, self._connection.pass_on(call))
        if procedure.stream != "none":
            keep_for_streams()
            self._streams[call.serial] = upstream
        elif upstream.ready and _is_plain(procedure, identity):
            self._known[procedure.program, procedure.number] = upstream, procedure
            self._plain[_PLAIN.pack(procedure.program, VERSION, procedure.number, _CALL)] = (
                upstream.ask
            )

    def _to(self, route: Route, identity: Identity) -> Upstream:
        upstream = self._upstreams.get(route.daemon)
        if upstream is None:
            upstream = self._upstreams[route.daemon] = Upstream(route, identity, self)
            upstream.pause(self._paused)
        return upstream

    def stream(self, message: Passed) -> None:
        """Passes a packet of a stream on, to where its call went."""
        upstream = self._streams.get(message.header.serial)
        if upstream is not None:
            upstream.stream(message.header, message.payload)

    # -- without being looked at ---------------------------------------------------------------

    def pass_on(self, data: bytes) -> bytes:
        """Passes on what is known to go elsewhere; what has to be looked at comes back."""
        ask = self._plain.get(data[4:20])
        if ask is None or self._passage.kept or data[24:28] != _OK_WORD or not is_whole(data):
            return self._passage.feed(data)
        ask(data)
        return b""

    def take_back(self) -> bytes:
        """What is kept of a message that is not all there yet."""
        return self._passage.take_back() if self._passage.kept else b""

    def _way(self, header: Header) -> Send | None:
        kind = header.type
        if kind == _CALL:
            known = self._known.get((header.program, header.procedure))
            if known is None or header.status != _OK or header.version != VERSION:
                return None
            return known[0].send
        if kind in (_STREAM, _STREAM_HOLE):
            upstream = self._streams.get(header.serial)
            return upstream.send if upstream is not None and upstream.ready else None
        return None

    def _note(self, header: Header) -> None:
        if header.type == _CALL:
            upstream, procedure = self._known[header.program, header.procedure]
            upstream.expect(header, procedure)

    # -- what waits ----------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """Whether the client is to wait until a daemon has taken what it said."""
        return any(upstream.full for upstream in self._upstreams.values())

    def pause(self, paused: bool) -> None:
        """Whether the client takes nothing for now."""
        self._paused = paused
        for upstream in self._upstreams.values():
            upstream.pause(paused)

    def close(self) -> None:
        """The client has gone."""
        for upstream in list(self._upstreams.values()):
            upstream.close()
        self._upstreams.clear()
        self._streams.clear()
        self._known.clear()
        self._plain.clear()

    # -- what the connections tell -------------------------------------------------------------

    def upstream_sends(self, data: bytes, fds: Sequence[int] = ()) -> None:
        self._owner.relay_sends(data, fds)

    def upstream_answered(self, serial: int) -> None:
        self._streams.pop(serial, None)
        self._connection.passed_over(serial)

    def upstream_lost(self, upstream: Upstream, error: VirloomError) -> None:
        self._upstreams.pop(upstream.route.daemon, None)
        self._known = {key: way for key, way in self._known.items() if way[0] is not upstream}
        self._plain = {key: ask for key, ask in self._plain.items() if ask != upstream.ask}
        if upstream.registrations > 0:
            self._owner.relay_cuts(f"{error.detail}, and it may have missed events")

    def upstream_room(self) -> None:
        self._owner.relay_room()


def _is_plain(procedure: Procedure[Any, Any], identity: Identity) -> bool:
    """Whether nothing but the way of a call and its answer matters, whatever its arguments are."""
    if procedure.program == gate.REMOTE and procedure.number in gate.OWN:
        return False
    if registers(procedure):
        return False  # to be counted
    return not identity.readonly or never_denied(procedure)


def _refuse_absent(route: Route, procedure: Procedure[Any, Any]) -> None:
    """A daemon without a socket is not installed; one that does not answer is another matter."""
    if not route.socket(readonly=False).exists():
        raise NoSupport(procedure.api_name, domain=error_domain(procedure))
