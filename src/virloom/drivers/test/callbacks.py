# SPDX-License-Identifier: Apache-2.0
"""The end of a registration for events, in the words of libvirt's library."""

from __future__ import annotations

from typing import Protocol

from virloom.endpoint.session import Session
from virloom.errors import InternalError, InvalidArg


class Registrations(Protocol):
    """Whoever keeps registrations."""

    def deregister(self, session: Session, callback_id: int) -> None:
        """Ends one."""
        ...


def end_registration(events: Registrations, session: Session, callback_id: int) -> None:
    """Ends a registration of *session*.

    Raises:
        InvalidArg: The session has no such callback; a daemon has another error for it.
    """
    try:
        events.deregister(session, callback_id)
    except InternalError as exc:
        raise InvalidArg(f"could not find event callback {callback_id} for deletion") from exc
