# SPDX-License-Identifier: Apache-2.0
"""Who wants to hear of what happens to secrets."""

from __future__ import annotations

from typing import NamedTuple

from virloom.endpoint.session import Session
from virloom.enums.error import ErrorDomain
from virloom.enums.secret import SecretEventID, SecretEventLifecycleType
from virloom.errors import InternalError
from virloom.procedures import secret as p
from virloom.procedures.secret import NonnullSecret


class _Registration(NamedTuple):
    session: Session
    event_id: int
    uuid: bytes | None


class SecretEvents:
    """The registrations of all clients, and the way events go out."""

    def __init__(self) -> None:
        self._registrations: dict[int, _Registration] = {}
        self._next_id = 0

    def register(self, session: Session, event_id: int, secret: NonnullSecret | None) -> int:
        """Registers *session*, for one secret or for all; returns the callback id.

        Raises:
            InternalError: There is no such event.
        """
        if event_id not in tuple(SecretEventID):
            raise InternalError(f"unsupported secret event ID {event_id}", domain=ErrorDomain.RPC)
        number = self._next_id
        self._next_id += 1
        uuid = secret.uuid if secret is not None else None
        self._registrations[number] = _Registration(session, event_id, uuid)
        session.on_close(lambda: self._drop(number))
        return number

    def deregister(self, session: Session, callback_id: int) -> None:
        """Ends a registration of *session*.

        Raises:
            InternalError: The session has no such callback.
        """
        registration = self._registrations.get(callback_id)
        if registration is None or registration.session is not session:
            raise InternalError(
                f"secret event callback {callback_id} not registered", domain=ErrorDomain.RPC
            )
        self._drop(callback_id)

    def lifecycle(self, secret: NonnullSecret, event: SecretEventLifecycleType) -> None:
        """A secret has come or gone."""
        for number, session in self._wanted(SecretEventID.LIFECYCLE, secret):
            message = p.SecretEventLifecycleMsg(number, secret, int(event), 0)
            session.send_event(p.SECRET_EVENT_LIFECYCLE, message)

    def value_changed(self, secret: NonnullSecret) -> None:
        """A secret has another value."""
        for number, session in self._wanted(SecretEventID.VALUE_CHANGED, secret):
            message = p.SecretEventValueChangedMsg(number, secret)
            session.send_event(p.SECRET_EVENT_VALUE_CHANGED, message)

    def _wanted(self, event_id: int, secret: NonnullSecret) -> list[tuple[int, Session]]:
        return [
            (number, registration.session)
            for number, registration in self._registrations.items()
            if registration.event_id == event_id and registration.uuid in (None, secret.uuid)
        ]

    def _drop(self, number: int) -> None:
        self._registrations.pop(number, None)
