# SPDX-License-Identifier: Apache-2.0
"""The listening sockets of a daemon, and all its clients."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable

from virloom.daemon.client import Client
from virloom.daemon.limits import Limits
from virloom.daemon.polkit import Polkit
from virloom.daemon.service import Service
from virloom.errors import VirloomError
from virloom.transport.base import Transport
from virloom.transport.readers import Readers
from virloom.transport.unix import Server as Listener
from virloom.transport.unix import SocketTransport, serve

logger = logging.getLogger(__name__)

#: Agrees with a client of the network on encryption: gives the transport to go on with.
Secure = Callable[[SocketTransport], Awaitable[Transport]]


class Server:
    """Accepts clients within the limits.

    Args:
        service: The driver.
        limits: Bounds of clients.
        relay_uid: The user of virtproxyd, who is believed for whom it speaks.

    Attributes:
        limits: Bounds of clients; those that are there keep what they came with.
        on_idle_change: Told whenever the number of clients has changed.
    """

    def __init__(self, service: Service, limits: Limits, relay_uid: int | None = None) -> None:
        self._service = service
        self._relay_uid = relay_uid
        self.limits = limits
        self.on_idle_change: Callable[[], None] | None = None
        self._readers = Readers()
        self._listeners: list[Listener] = []
        self._clients: set[Client] = set()
        self._shaking: set[asyncio.Task[None]] = set()
        self._paused = False
        self._number = 0

    @property
    def clients(self) -> int:
        """How many there are."""
        return len(self._clients)

    def all(self) -> list[Client]:
        """Its clients, in the order in which they came."""
        return sorted(self._clients, key=lambda client: client.number)

    def set_limits(self, *, clients: int, anonymous: int) -> None:
        """Bounds clients from now on; those that are there stay."""
        self.limits = self.limits._replace(clients=clients, anonymous=anonymous)
        self._regulate()

    def listen(
        self,
        listening: socket.socket,
        *,
        readonly: bool,
        polkit: Polkit | None = None,
        secure: Secure | None = None,
    ) -> None:
        """Accepts on a socket from now on.

        Args:
            polkit: Says who may use it.
            secure: What comes before a client of the network is one.
        """

        def accepted(transport: SocketTransport) -> None:
            if secure is None:
                self._accept(transport, readonly, polkit)
            elif len(self._shaking) >= self.limits.anonymous:
                transport.abort()
            else:
                task = asyncio.ensure_future(self._secured(secure, transport))
                self._shaking.add(task)
                task.add_done_callback(self._shaking.discard)

        self._listeners.append(serve(listening, accepted, self._readers))

    async def _secured(self, secure: Secure, transport: SocketTransport) -> None:
        try:
            secured = await secure(transport)
        except (VirloomError, OSError) as exc:
            logger.warning("a client at %s is sent away: %s", transport.peer.address, exc)
        else:
            self._accept(secured, False, None)

    def _accept(self, transport: Transport, readonly: bool, polkit: Polkit | None) -> None:
        if len(self._clients) >= self.limits.clients:
            logger.warning("a client is sent away: there are %d already", len(self._clients))
            transport.abort()
            return
        if not self._service.handshake and transport.peer.uid not in (0, os.geteuid()):
            logger.warning("user %s may not administrate this daemon", transport.peer.uid)
            transport.abort()
            return
        client = Client(
            self._service,
            transport,
            self.limits,
            readonly=readonly,
            changed=self._changed,
            polkit=polkit,
            relay_uid=self._relay_uid,
        )
        self._number += 1
        client.number = self._number
        self._clients.add(client)
        self._changed(client)

    def _changed(self, client: Client) -> None:
        if client.gone.done():
            self._clients.discard(client)
        self._regulate()
        if self.on_idle_change is not None:
            self.on_idle_change()

    def _regulate(self) -> None:
        anonymous = sum(not client.authenticated for client in self._clients)
        full = anonymous >= self.limits.anonymous
        if full != self._paused:
            self._paused = full
            for listener in self._listeners:
                if full:
                    listener.pause()
                else:
                    listener.resume()

    async def close(self) -> None:
        """Accepts no more, and ends every client's connection and session."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for task in self._shaking:
            task.cancel()
        clients = list(self._clients)
        for client in clients:
            client.close()
        if clients:
            await asyncio.wait([client.gone for client in clients])
