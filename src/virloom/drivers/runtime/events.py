# SPDX-License-Identifier: Apache-2.0
"""Who wants to hear of what happens to domains.

A client registers for an event id, for one domain or for all, and gets a callback id with which
each event then comes. Clients from before callback ids register once per event id and get the
older messages.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

from virloom.drivers.runtime.recorder import Recorder
from virloom.endpoint.session import Session
from virloom.enums.domain import DomainEventID
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, OperationInvalid
from virloom.procedures import domain as p
from virloom.procedures.record import Procedure, Record, Void
from virloom.procedures.types import NonnullDomain
from virloom.rpc.xdr import XdrError, codec_for

#: Event id → (the event procedure with a callback id, the older one without, if there is one).
_MESSAGES: dict[int, tuple[Procedure[Any, Void], Procedure[Any, Void] | None]] = {
    DomainEventID.LIFECYCLE: (p.DOMAIN_EVENT_CALLBACK_LIFECYCLE, p.DOMAIN_EVENT_LIFECYCLE),
    DomainEventID.REBOOT: (p.DOMAIN_EVENT_CALLBACK_REBOOT, p.DOMAIN_EVENT_REBOOT),
    DomainEventID.RTC_CHANGE: (p.DOMAIN_EVENT_CALLBACK_RTC_CHANGE, p.DOMAIN_EVENT_RTC_CHANGE),
    DomainEventID.WATCHDOG: (p.DOMAIN_EVENT_CALLBACK_WATCHDOG, p.DOMAIN_EVENT_WATCHDOG),
    DomainEventID.IO_ERROR: (p.DOMAIN_EVENT_CALLBACK_IO_ERROR, p.DOMAIN_EVENT_IO_ERROR),
    DomainEventID.GRAPHICS: (p.DOMAIN_EVENT_CALLBACK_GRAPHICS, p.DOMAIN_EVENT_GRAPHICS),
    DomainEventID.IO_ERROR_REASON: (
        p.DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON,
        p.DOMAIN_EVENT_IO_ERROR_REASON,
    ),
    DomainEventID.CONTROL_ERROR: (
        p.DOMAIN_EVENT_CALLBACK_CONTROL_ERROR,
        p.DOMAIN_EVENT_CONTROL_ERROR,
    ),
    DomainEventID.BLOCK_JOB: (p.DOMAIN_EVENT_CALLBACK_BLOCK_JOB, p.DOMAIN_EVENT_BLOCK_JOB),
    DomainEventID.DISK_CHANGE: (p.DOMAIN_EVENT_CALLBACK_DISK_CHANGE, p.DOMAIN_EVENT_DISK_CHANGE),
    DomainEventID.TRAY_CHANGE: (p.DOMAIN_EVENT_CALLBACK_TRAY_CHANGE, p.DOMAIN_EVENT_TRAY_CHANGE),
    DomainEventID.PMWAKEUP: (p.DOMAIN_EVENT_CALLBACK_PMWAKEUP, p.DOMAIN_EVENT_PMWAKEUP),
    DomainEventID.PMSUSPEND: (p.DOMAIN_EVENT_CALLBACK_PMSUSPEND, p.DOMAIN_EVENT_PMSUSPEND),
    DomainEventID.BALLOON_CHANGE: (
        p.DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE,
        p.DOMAIN_EVENT_BALLOON_CHANGE,
    ),
    DomainEventID.PMSUSPEND_DISK: (
        p.DOMAIN_EVENT_CALLBACK_PMSUSPEND_DISK,
        p.DOMAIN_EVENT_PMSUSPEND_DISK,
    ),
    DomainEventID.DEVICE_REMOVED: (
        p.DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED,
        p.DOMAIN_EVENT_DEVICE_REMOVED,
    ),
    DomainEventID.BLOCK_JOB_2: (p.DOMAIN_EVENT_BLOCK_JOB_2, None),
    DomainEventID.TUNABLE: (p.DOMAIN_EVENT_CALLBACK_TUNABLE, None),
    DomainEventID.AGENT_LIFECYCLE: (p.DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE, None),
    DomainEventID.DEVICE_ADDED: (p.DOMAIN_EVENT_CALLBACK_DEVICE_ADDED, None),
    DomainEventID.MIGRATION_ITERATION: (p.DOMAIN_EVENT_CALLBACK_MIGRATION_ITERATION, None),
    DomainEventID.JOB_COMPLETED: (p.DOMAIN_EVENT_CALLBACK_JOB_COMPLETED, None),
    DomainEventID.DEVICE_REMOVAL_FAILED: (p.DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED, None),
    DomainEventID.METADATA_CHANGE: (p.DOMAIN_EVENT_CALLBACK_METADATA_CHANGE, None),
    DomainEventID.BLOCK_THRESHOLD: (p.DOMAIN_EVENT_BLOCK_THRESHOLD, None),
    DomainEventID.MEMORY_FAILURE: (p.DOMAIN_EVENT_MEMORY_FAILURE, None),
    DomainEventID.MEMORY_DEVICE_SIZE_CHANGE: (p.DOMAIN_EVENT_MEMORY_DEVICE_SIZE_CHANGE, None),
    DomainEventID.NIC_MAC_CHANGE: (p.DOMAIN_EVENT_NIC_MAC_CHANGE, None),
}

#: The first field of each message with one.
_CALLBACK_ID = struct.Struct(">i")

#: Events whose message has a constant reason between the callback id and the older message.
_WITH_REASON = (DomainEventID.PMWAKEUP, DomainEventID.PMSUSPEND, DomainEventID.PMSUSPEND_DISK)


class _Registration:
    """One client's wish; ``legacy`` clients get the messages without callback ids."""

    __slots__ = ("callback_id", "event_id", "legacy", "session", "undo", "uuid")

    def __init__(
        self, session: Session, callback_id: int, event_id: int, uuid: bytes | None, legacy: bool
    ) -> None:
        self.session = session
        self.callback_id = callback_id
        self.event_id = event_id
        self.uuid = uuid
        self.legacy = legacy
        self.undo: Callable[[], None] = lambda: None

    def wants(self, event_id: int, dom: NonnullDomain) -> bool:
        """Whether an event of this kind and domain is for this client."""
        return self.event_id == event_id and self.uuid in (None, dom.uuid)


class DomainEvents:
    """The registrations of all clients, and the way events go out.

    Args:
        recorder: What keeps each event for clients that are away.
    """

    def __init__(self, recorder: Recorder | None = None) -> None:
        self._recorder = recorder
        self._registrations: dict[int, _Registration] = {}
        self._next_id = 0
        self._missed: list[tuple[int, NonnullDomain, tuple[Any, ...]]] = []

    def register(
        self, session: Session, event_id: int, dom: NonnullDomain | None, *, legacy: bool = False
    ) -> int:
        """Registers *session* for an event id, of *dom* only if given; returns the callback id.

        Raises:
            InternalError: There is no such event.
            OperationInvalid: A legacy client registers for the same event twice.
        """
        if event_id not in _MESSAGES or (legacy and _MESSAGES[event_id][1] is None):
            raise _unknown(event_id)
        if legacy and self._legacy(session, event_id) is not None:
            raise OperationInvalid(
                f"event {event_id} is registered on this connection already",
                domain=ErrorDomain.DOMAIN,
            )
        number = self._next_id
        self._next_id += 1
        registration = _Registration(session, number, event_id, dom.uuid if dom else None, legacy)
        self._registrations[number] = registration
        registration.undo = session.on_close(lambda: self._drop(number))
        if self._missed:
            asyncio.get_running_loop().call_soon(self._catch_up, registration)
        return number

    def deregister(self, session: Session, callback_id: int) -> None:
        """Ends a registration of *session*.

        Raises:
            InternalError: The session has no such callback.
        """
        registration = self._registrations.get(callback_id)
        if registration is None or registration.session is not session or registration.legacy:
            raise InternalError(
                f"domain event callback {callback_id} not registered", domain=ErrorDomain.RPC
            )
        registration.undo()
        self._drop(callback_id)

    def deregister_legacy(self, session: Session, event_id: int) -> None:
        """Ends the registration that an old client made for an event id."""
        if event_id not in _MESSAGES:
            raise _unknown(event_id)
        registration = self._legacy(session, event_id)
        if registration is None:
            raise OperationInvalid(
                f"event {event_id} is not registered on this connection",
                domain=ErrorDomain.DOMAIN,
            )
        registration.undo()
        self._drop(registration.callback_id)

    def wanted(self, event_id: int) -> bool:
        """Whether anybody listens for this event."""
        return any(r.event_id == event_id for r in self._registrations.values())

    def emit(self, event_id: int, dom: NonnullDomain, *rest: Any) -> None:
        """Sends an event to whoever wants it; *rest* are the message's fields after the domain."""
        self._record(event_id, dom, rest)
        wanting = [r for r in self._registrations.values() if r.wants(event_id, dom)]
        tail = _tail(event_id, dom, rest) if len(wanting) > 1 else None
        for registration in wanting:
            _send(registration, dom, rest, tail)

    def emit_missed(self, event_id: int, dom: NonnullDomain, *rest: Any) -> None:
        """An event of the time before anybody could listen: kept for the first who does."""
        self._record(event_id, dom, rest)
        self._missed.append((event_id, dom, rest))

    def _catch_up(self, registration: _Registration) -> None:
        missed, self._missed = self._missed, []
        for event_id, dom, rest in missed:
            if registration.wants(event_id, dom):
                _send(registration, dom, rest)
            else:
                self._missed.append((event_id, dom, rest))

    def _record(self, event_id: int, dom: NonnullDomain, rest: tuple[Any, ...]) -> None:
        if self._recorder is not None:
            message = _message(event_id, 0, dom, rest)
            self._recorder.event(dom, event_id, codec_for(type(message)).encode(message))

    def _legacy(self, session: Session, event_id: int) -> _Registration | None:
        for registration in self._registrations.values():
            if (
                registration.legacy
                and registration.session is session
                and registration.event_id == event_id
            ):
                return registration
        return None

    def _drop(self, callback_id: int) -> None:
        self._registrations.pop(callback_id, None)


def _unknown(event_id: int) -> InternalError:
    return InternalError(f"unsupported event ID {event_id}", domain=ErrorDomain.RPC)


def _tail(event_id: int, dom: NonnullDomain, rest: tuple[Any, ...]) -> bytes | None:
    """What the messages of all modern clients have behind the callback id; None if none can."""
    message = _message(event_id, 0, dom, rest)
    try:
        return codec_for(type(message)).encode(message)[_CALLBACK_ID.size :]
    except XdrError:  # each client's connection says what is wrong
        return None


def _send(
    registration: _Registration,
    dom: NonnullDomain,
    rest: tuple[Any, ...],
    tail: bytes | None = None,
) -> None:
    modern, legacy = _MESSAGES[registration.event_id]
    if registration.legacy and legacy is not None:
        registration.session.send_event(legacy, legacy.args(dom, *rest))
    else:
        message = _message(registration.event_id, registration.callback_id, dom, rest)
        encoded = None if tail is None else _CALLBACK_ID.pack(registration.callback_id) + tail
        registration.session.send_event(modern, message, encoded)


def _message(event_id: int, callback_id: int, dom: NonnullDomain, rest: tuple[Any, ...]) -> Record:
    """The message of a modern client: older events are wrapped, newer ones carry all fields."""
    modern, legacy = _MESSAGES[event_id]
    if legacy is None:
        return modern.args(callback_id, dom, *rest)  # type: ignore[no-any-return] # Any by table
    inner = legacy.args(dom, *rest)
    if event_id in _WITH_REASON:
        return modern.args(callback_id, 0, inner)  # type: ignore[no-any-return] # Any by table
    return modern.args(callback_id, inner)  # type: ignore[no-any-return] # Any by table
