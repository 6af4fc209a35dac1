# SPDX-License-Identifier: Apache-2.0
"""One client's connection as a driver sees it."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from virloom.endpoint.identity import Identity
from virloom.procedures.record import Procedure, Record, Void

logger = logging.getLogger(__name__)

#: Takes an event procedure, its message, and that one's bytes on the wire where they are known.
EventSink = Callable[[Procedure[Any, Void], Record, bytes | None], None]

#: Runs when a session ends; may be a coroutine function.
CloseAction = Callable[[], Awaitable[None] | None]


class Session:
    """What lives and dies with a connection: its identity, event registrations, close actions.

    Drivers register close actions (drop a callback, end an AUTODESTROY guest, abort a stream);
    whoever owns the connection calls :meth:`close` exactly when the client is gone.
    """

    def __init__(self, identity: Identity, sink: EventSink) -> None:
        self.identity = identity
        self.closed = False
        self._sink = sink
        self._actions: dict[int, CloseAction] = {}
        self._next_key = 0

    def send_event(
        self, procedure: Procedure[Any, Void], message: Record, encoded: bytes | None = None
    ) -> None:
        """Passes an event to the client; nothing happens once the session is closed.

        Args:
            encoded: The bytes of *message* on the wire, for who has them.
        """
        if not self.closed:
            self._sink(procedure, message, encoded)

    def on_close(self, action: CloseAction) -> Callable[[], None]:
        """Runs *action* when the session ends; returns a function that takes it back."""
        key = self._next_key
        self._next_key += 1
        self._actions[key] = action
        return lambda: self._actions.pop(key, None) and None

    async def close(self) -> None:
        """Ends the session: every close action runs, latest first, whatever an earlier one did."""
        if self.closed:
            return
        self.closed = True
        while self._actions:
            _, action = self._actions.popitem()
            try:
                result = action()
                if inspect.isawaitable(result):
                    await result
            except Exception:
                logger.exception("an action at the end of a connection failed")
