# SPDX-License-Identifier: Apache-2.0
"""The first words on a connection to another daemon: authentication, what is opened, for whom."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from virloom.daemon.claimed import stated_identity
from virloom.daemon.relay.routes import Route
from virloom.endpoint.identity import Identity
from virloom.enums.error import ErrorDomain
from virloom.errors import AuthFailed, InternalError, VirloomError
from virloom.procedures import connect as p
from virloom.procedures import find
from virloom.procedures.record import VOID, Procedure, Record
from virloom.rpc.connection import ClientConnection
from virloom.rpc.messages import Reply
from virloom.transport.base import Transport, TransportClosed

#: Seconds for the daemon's first answers.
_PATIENCE = 30.0
_AUTH_NONE, _AUTH_POLKIT = 0, 2
#: ``VIR_CONNECT_RO``
_READ_ONLY = 1


class Opening:
    """Speaks until the daemon serves the client; what comes meanwhile is for us.

    Args:
        route: Which daemon, and what is opened there.
        identity: For whom.
        transport: The connection to it.
    """

    def __init__(self, route: Route, identity: Identity, transport: Transport) -> None:
        self._route = route
        self._identity = identity
        self._transport = transport
        self._connection = ClientConnection(find)
        self._answers: dict[int, asyncio.Future[Any]] = {}

    async def introduce(self) -> None:
        """Returns when the daemon serves the client.

        Raises:
            VirloomError: It refuses, does not answer, or is this daemon itself.
        """
        if self._transport.peer.pid == os.getpid():
            raise InternalError(
                f"{self._route.daemon} is this daemon itself: a relay into itself",
                domain=ErrorDomain.RPC,
            )
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._authenticate()
                await self._open()
        except TimeoutError as exc:
            raise gone(self._route, "does not answer") from exc

    async def _authenticate(self) -> None:
        offered = (await self._ask(p.AUTH_LIST, VOID)).types
        if _AUTH_NONE in offered:
            return
        if _AUTH_POLKIT not in offered:
            raise AuthFailed(
                f"{self._route.daemon} asks for authentication that a relay cannot give",
                domain=ErrorDomain.RPC,
            )
        await self._ask(p.AUTH_POLKIT, VOID)

    async def _open(self) -> None:
        flags = _READ_ONLY if self._identity.readonly else 0
        await self._ask(p.CONNECT_OPEN, p.ConnectOpenArgs(self._route.uri, flags))
        parameters = stated_identity(self._identity)
        await self._ask(p.CONNECT_SET_IDENTITY, p.ConnectSetIdentityArgs(parameters, 0))

    async def _ask(self, procedure: Procedure[Any, Any], args: Record) -> Any:
        serial, data = self._connection.call(procedure, args)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[serial] = answer
        try:
            self._transport.send(data)
        except TransportClosed as exc:
            raise gone(self._route) from exc
        result = await answer
        if isinstance(result, VirloomError):
            raise result
        return result

    def receive(self, data: bytes, fds: Sequence[int]) -> None:
        """What the daemon says."""
        for message in self._connection.receive(data, fds):
            if isinstance(message, Reply):
                answer = self._answers.pop(message.serial, None)
                if answer is not None and not answer.done():
                    answer.set_result(message.result)
            message.discard()

    def fail(self, error: VirloomError) -> None:
        """The daemon has gone."""
        for answer in self._answers.values():
            if not answer.done():
                answer.set_result(error)


def gone(route: Route, how: str = "has gone away") -> VirloomError:
    """The error that names a daemon."""
    return InternalError(f"{route.daemon} {how}", domain=ErrorDomain.RPC)
