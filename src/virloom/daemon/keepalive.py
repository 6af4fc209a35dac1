# SPDX-License-Identifier: Apache-2.0
"""The keepalive of one client: asks now and then whether it is there, and gives it up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from virloom.daemon.limits import Limits
from virloom.rpc.connection import ServerConnection


class Keepalive:
    """Asks a client that has said that it answers; nothing before :meth:`start`.

    Args:
        connection: Its end of the protocol, which counts what is not answered.
        limits: How often it is asked, in seconds, and how many times in vain.
        excused: Whether it cannot answer now, and is not dead for that.
        send: Sends what is asked.
        cut: Gives the client up, with the reason.
    """

    def __init__(
        self, connection: ServerConnection, limits: Limits, *, excused: Callable[[], bool],
        send: Callable[[bytes], None], cut: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._connection = connection
        self._limits = limits
        self._excused = excused
        self._send = send
        self._cut = cut
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins to ask; once, unless the limits say never."""
        interval = self._limits.keepalive_interval
        if interval > 0 and self._timer is None:
            self._connection.start_keepalive(interval, self._limits.keepalive_count)
            self._arm()

    def end(self) -> None:
        """Asks no more: the client has gone."""
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._limits.keepalive_interval, self._tick)

    def _tick(self) -> None:
        if not self._excused():
            try:
                self._connection.tick()
            except TimeoutError as exc:
                self._cut(str(exc))
                return
        self._send(self._connection.data_to_send())
        self._arm()
