# SPDX-License-Identifier: Apache-2.0
"""How one client gets in: the ways that it is offered, and the time that it has."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from virloom.daemon.polkit import MANAGE, MONITOR, Polkit
from virloom.enums.error import ErrorDomain
from virloom.errors import AuthFailed
from virloom.host.identity import start_time
from virloom.procedures.connect import AuthListRet, AuthPolkitRet
from virloom.procedures.record import Record
from virloom.transport.base import PeerIdentity

#: ``REMOTE_AUTH_NONE`` and ``REMOTE_AUTH_POLKIT``
_NONE, _POLKIT = 0, 2


class Admission:
    """A client before its authentication, and after.

    Args:
        peer: Who connected. Root need not be asked about.
        polkit: Who says whether it may go on; None: everybody may.
        readonly: It came over the read-only socket.
        seconds: The time that it has, besides the one that a person takes to answer.
        admitted: Told when it is in.
        expired: Told when its time is over.

    Attributes:
        done: Whether it may make calls.
    """

    def __init__(
        self,
        peer: PeerIdentity,
        polkit: Polkit | None,
        *,
        readonly: bool,
        seconds: float,
        admitted: Callable[[], None],
        expired: Callable[[], None],
    ) -> None:
        self.done = False
        self._peer = peer
        self._polkit = polkit if peer.uid != 0 else None
        self._action = MONITOR if readonly else MANAGE
        # As early as can be: later another process could have its pid.
        self._started = _start_time(peer.pid) if self._polkit is not None else None
        self._admitted = admitted
        self._expired = expired
        self._seconds = seconds
        self._asking: asyncio.Task[Any] | None = None
        self._gone = False
        self._timer = self._arm()

    def _arm(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._seconds, self._expired)

    def ways(self) -> AuthListRet:
        """The ways that are offered; where that is none, whoever asks is in."""
        if self._polkit is None:
            self._admit()
        return AuthListRet([_NONE if self.done else _POLKIT])

    def authorize(self) -> Awaitable[Record]:
        """Lets polkit decide.

        Raises:
            AuthFailed: That is not offered, or not now.
        """
        if self._polkit is None or self.done or self._asking is not None:
            raise not_offered()
        return self._authorize(self._polkit)

    async def _authorize(self, polkit: Polkit) -> Record:
        self._asking = asyncio.current_task()
        self._timer.cancel()
        try:
            await polkit.authorize(self._peer, self._started, self._action)
        finally:
            self._asking = None
            if not self._gone:
                self._timer = self._arm()
        self._admit()
        return AuthPolkitRet(1)

    def _admit(self) -> None:
        if not self.done:
            self.done = True
            self._timer.cancel()
            self._admitted()

    def end(self) -> None:
        """The client has gone: nobody is asked about it any more."""
        self._gone = True
        self._timer.cancel()
        if self._asking is not None:
            self._asking.cancel()


def not_offered() -> AuthFailed:
    """The answer to a way of authentication that is not offered, or not now; libvirt's words."""
    return AuthFailed("authentication failed", domain=ErrorDomain.RPC)


def _start_time(pid: int | None) -> int | None:
    """When the process at the other end started; None for one that we cannot see."""
    try:
        return start_time(pid) if pid else None
    except ProcessLookupError:
        return None
