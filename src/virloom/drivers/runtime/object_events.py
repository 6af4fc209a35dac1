# SPDX-License-Identifier: Apache-2.0
"""Who wants to hear of what happens to networks, pools, node devices: objects with one key each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from virloom.endpoint.session import Session
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.procedures.record import Procedure, Record, Void

K = TypeVar("K")


class _Registration(NamedTuple):
    session: Session
    event_id: int
    key: Any
    withdraw: Callable[[], None]


class ObjectEvents(Generic[K]):
    """The registrations of all clients for one kind of objects, and the way events go out.

    Args:
        kind: The kind, in errors.
        known: The ids of the events that there are.
    """

    def __init__(self, kind: str, known: frozenset[int]) -> None:
        self._kind = kind
        self._known = known
        self._registrations: dict[int, _Registration] = {}
        self._next_id = 0

    def register(self, session: Session, event_id: int, key: K | None) -> int:
        """Registers *session*, for one object or for all; returns the callback id.

        Raises:
            InternalError: There is no such event.
        """
        if event_id not in self._known:
            raise InternalError(
                f"unsupported {self._kind} event ID {event_id}", domain=ErrorDomain.RPC
            )
        number = self._next_id
        self._next_id += 1
        withdraw = session.on_close(lambda: self._drop(number))
        self._registrations[number] = _Registration(session, event_id, key, withdraw)
        return number

    def deregister(self, session: Session, callback_id: int) -> None:
        """Ends a registration of *session*.

        Raises:
            InternalError: The session has no such callback.
        """
        registration = self._registrations.get(callback_id)
        if registration is None or registration.session is not session:
            raise InternalError(
                f"{self._kind} event callback {callback_id} not registered", domain=ErrorDomain.RPC
            )
        registration.withdraw()
        self._drop(callback_id)

    def emit(
        self,
        event_id: int,
        key: K,
        procedure: Procedure[Any, Void],
        message: Callable[[int], Record],
    ) -> None:
        """Sends an event to whoever wants it.

        Args:
            message: Makes the message for a callback id.
        """
        for number, registration in list(self._registrations.items()):
            if registration.event_id == event_id and registration.key in (None, key):
                registration.session.send_event(procedure, message(number))

    def _drop(self, number: int) -> None:
        self._registrations.pop(number, None)
