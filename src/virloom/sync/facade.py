# SPDX-License-Identifier: Apache-2.0
"""What the generated blocking classes stand on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from virloom.client.domain.events import Kinds
from virloom.client.domain.ref import DomainRef
from virloom.client.families import Kinds as ObjectKinds
from virloom.errors import VirloomError
from virloom.sync.portal import Portal

logger = logging.getLogger(__name__)


class Facade:
    """A blocking view of an object of the async client; equal when those are."""

    _aio: Any

    def __init__(self, aio: Any, portal: Portal) -> None:
        self._aio = aio
        self._portal = portal

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and bool(self._aio == other._aio)

    def __hash__(self) -> int:
        return hash(self._aio)

    def __repr__(self) -> str:
        return repr(self._aio)


class Callbacks(Facade):
    """Events by callback, for blocking callers; what is not generated."""

    #: The connection's own method.
    events: Any

    def on_event(
        self,
        callback: Callable[[Any], object],
        kind: Kinds = None,
        *,
        domain: DomainRef | None = None,
    ) -> Callable[[], None]:
        """Calls *callback* with each event (and each gap) on a thread of its own.

        It may make calls of this connection. What it raises is logged. Arguments are those of
        ``events``.

        Returns:
            A function that ends it.
        """
        return _subscribed(self.events(kind, domain=domain), callback)


class ObjectCallbacks(Facade):
    """The same for networks, pools, node devices and secrets."""

    #: The area's own method.
    events: Any

    def on_event(
        self,
        callback: Callable[[Any], object],
        kind: ObjectKinds = None,
        *,
        only: Any = None,
    ) -> Callable[[], None]:
        """Calls *callback* with each event (and each gap) on a thread of its own.

        It may make calls of this connection. What it raises is logged. Arguments are those of
        ``events``.

        Returns:
            A function that ends it.
        """
        return _subscribed(self.events(kind, only=only), callback)


def _subscribed(stream: Any, callback: Callable[[Any], object]) -> Callable[[], None]:
    stream.start()
    pump = threading.Thread(
        target=_pump, args=(stream, callback), name="virloom-events", daemon=True
    )
    pump.start()

    def unsubscribe() -> None:
        stream.close()
        if threading.current_thread() is not pump:
            pump.join()

    return unsubscribe


def _pump(stream: Any, callback: Callable[[Any], object]) -> None:
    try:
        for event in stream:
            _call(callback, event)
    except VirloomError as exc:
        logger.warning("events end: %s", exc)


def _call(callback: Callable[[Any], object], event: Any) -> None:
    try:
        callback(event)
    except Exception:
        logger.exception("an event callback failed: %r", callback)
