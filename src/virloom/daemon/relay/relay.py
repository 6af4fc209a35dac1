# SPDX-License-Identifier: Apache-2.0
"""The connections of one client to other daemons: one for each, opened when first needed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from virloom.daemon.relay.routes import Route
from virloom.daemon.relay.upstream import PRESSURE, Upstream, UpstreamOwner
from virloom.endpoint.identity import Identity
from virloom.endpoint.readonly import error_domain
from virloom.errors import NoSupport, VirloomError
from virloom.rpc.connection import ServerConnection
from virloom.rpc.messages import Call, Passed


class RelayOwner(ABC):
    """The client that is relayed."""

    @abstractmethod
    def relay_sends(self, data: bytes, fds: Sequence[int]) -> None:
        """Sends what came for the client."""

    @abstractmethod
    def relay_room(self) -> None:
        """How much waits for a daemon has changed."""

    @abstractmethod
    def relay_cuts(self, why: str) -> None:
        """Cuts the client off: what it was promised cannot be kept."""


class Relay(UpstreamOwner):
    """Passes calls of one client on.

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
        """
        if route.daemon not in self._upstreams:
            _refuse_absent(route, call)
        upstream = self._to(route, identity)
        self._streams[call.serial] = upstream
        upstream.call(call, self._connection.pass_on(call))

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
            upstream.stream(message)

    @property
    def full(self) -> bool:
        """Whether the client is to wait until a daemon has taken what it said."""
        return any(upstream.unsent > PRESSURE for upstream in self._upstreams.values())

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

    # -- what the connections tell -------------------------------------------------------------

    def upstream_sends(self, data: bytes, fds: Sequence[int]) -> None:
        self._owner.relay_sends(data, fds)

    def upstream_answered(self, serial: int) -> None:
        self._streams.pop(serial, None)
        self._connection.passed_over(serial)

    def upstream_lost(self, upstream: Upstream, error: VirloomError) -> None:
        self._upstreams.pop(upstream.route.daemon, None)
        if upstream.registrations > 0:
            self._owner.relay_cuts(f"{error.detail}, and it may have missed events")

    def upstream_room(self) -> None:
        self._owner.relay_room()


def _refuse_absent(route: Route, call: Call) -> None:
    """A daemon without a socket is not installed; one that does not answer is another matter."""
    procedure = call.procedure
    if procedure is not None and not route.socket(readonly=False).exists():
        raise NoSupport(procedure.api_name, domain=error_domain(procedure))
