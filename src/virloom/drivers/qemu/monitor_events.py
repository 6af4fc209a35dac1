# SPDX-License-Identifier: Apache-2.0
"""Clients that listen to QEMU's own events (``virConnectDomainQemuMonitorEventRegister``)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import NamedTuple

from virloom.drivers.qemu.monitor.protocol import Event
from virloom.endpoint.session import Session
from virloom.enums.error import ErrorDomain
from virloom.enums.qemu import ConnectDomainQemuMonitorEventRegisterFlags as Flags
from virloom.errors import InternalError, InvalidArg
from virloom.procedures import qemu as p
from virloom.procedures.types import NonnullDomain


class _Listener(NamedTuple):
    session: Session
    uuid: bytes | None
    matches: Callable[[str], object]
    undo: Callable[[], None]


class MonitorEvents:
    """The registrations, and the way events go out."""

    def __init__(self) -> None:
        self._listeners: dict[int, _Listener] = {}
        self._next_id = 0

    def register(
        self, session: Session, dom: NonnullDomain | None, event: str | None, flags: int
    ) -> int:
        """Registers for an event's name, or for all; returns the callback id.

        Raises:
            InvalidArg: The name is a malformed regular expression.
        """
        number = self._next_id
        self._next_id += 1
        self._listeners[number] = _Listener(
            session,
            dom.uuid if dom else None,
            _matcher(event, flags),
            session.on_close(lambda: self._listeners.pop(number, None) and None),
        )
        return number

    def deregister(self, session: Session, callback_id: int) -> None:
        """Ends a registration of *session*.

        Raises:
            InternalError: The session has no such callback.
        """
        listener = self._listeners.get(callback_id)
        if listener is None or listener.session is not session:
            raise InternalError(
                f"qemu monitor event callback {callback_id} not registered",
                domain=ErrorDomain.RPC,
            )
        listener.undo()
        del self._listeners[callback_id]

    def wanted(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def emit(self, dom: NonnullDomain, event: Event) -> None:
        """Sends an event to whoever wants it."""
        details = json.dumps(event.data, separators=(",", ":")) if event.data else None
        for number, listener in list(self._listeners.items()):
            if listener.uuid in (None, dom.uuid) and listener.matches(event.name):
                listener.session.send_event(
                    p.DOMAIN_MONITOR_EVENT,
                    p.DOMAIN_MONITOR_EVENT.args(
                        number, dom, event.name, event.seconds, event.microseconds, details
                    ),
                )


def _matcher(event: str | None, flags: int) -> Callable[[str], object]:
    if event is None:
        return lambda name: True
    case = re.IGNORECASE if flags & Flags.NOCASE else 0
    if not flags & Flags.REGEX:
        return re.compile(re.escape(event), case).fullmatch
    try:
        return re.compile(event, case).search
    except re.error as exc:
        raise InvalidArg(f"event '{event}': {exc}", domain=ErrorDomain.QEMU) from exc
