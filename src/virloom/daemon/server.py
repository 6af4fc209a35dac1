# SPDX-License-Identifier: Apache-2.0
"""The listening sockets of a daemon, and all its clients."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from virloom.daemon.client import Client
from virloom.daemon.limits import Limits
from virloom.daemon.polkit import Polkit
from virloom.daemon.service import Service
from virloom.transport.unix import Server as Listener
from virloom.transport.unix import SocketTransport, serve

logger = logging.getLogger(__name__)


class Server:
    """Accepts clients within the limits.

    Args:
        service: The driver.
        limits: Bounds of clients.
        on_idle_change: Told whenever the number of clients has changed.
    """

    def __init__(
        self, service: Service, limits: Limits, on_idle_change: Callable[[], None] | None = None
    ) -> None:
        self._service = service
        self._limits = limits
        self._on_idle_change = on_idle_change
        self._listeners: list[Listener] = []
        self._clients: set[Client] = set()
        self._paused = False

    @property
    def clients(self) -> int:
        """How many there are."""
        return len(self._clients)

    def listen(
        self, listening: socket.socket, *, readonly: bool, polkit: Polkit | None = None
    ) -> None:
        """Accepts on a socket from now on; *polkit* says who may use it."""

        def accepted(transport: SocketTransport) -> None:
            self._accept(transport, readonly, polkit)

        self._listeners.append(serve(listening, accepted))

    def _accept(self, transport: SocketTransport, readonly: bool, polkit: Polkit | None) -> None:
        if len(self._clients) >= self._limits.clients:
            logger.warning("a client is sent away: there are %d already", len(self._clients))
            transport.abort()
            return
        client = Client(
            self._service,
            transport,
            self._limits,
            readonly=readonly,
            changed=self._changed,
            polkit=polkit,
        )
        self._clients.add(client)
        self._changed(client)

    def _changed(self, client: Client) -> None:
        if client.gone.done():
            self._clients.discard(client)
        anonymous = sum(not client.authenticated for client in self._clients)
        full = anonymous >= self._limits.anonymous
        if full != self._paused:
            self._paused = full
            for listener in self._listeners:
                if full:
                    listener.pause()
                else:
                    listener.resume()
        if self._on_idle_change is not None:
            self._on_idle_change()

    async def close(self) -> None:
        """Accepts no more, and ends every client's connection and session."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        clients = list(self._clients)
        for client in clients:
            client.close()
        if clients:
            await asyncio.wait([client.gone for client in clients])
