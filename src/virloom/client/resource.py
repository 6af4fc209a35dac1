# SPDX-License-Identifier: Apache-2.0
"""What networks, pools, secrets and the like have in common on the client's side."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from virloom.client.link import Link
from virloom.client.subscription import EventHub
from virloom.errors import InvalidArg


class Resource:
    """An object of a host; equal to another of the same identity and connection."""

    _ref: Any

    def __init__(self, link: Link, ref: Any) -> None:
        self._link = link
        self._ref = ref

    def __eq__(self, other: object) -> bool:
        return (
            type(self) is type(other)
            and isinstance(other, Resource)
            and self._link is other._link
            and bool(self._ref == other._ref)
        )

    def __hash__(self) -> int:
        return hash(self._ref)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._ref!r}>"


class Area:
    """The calls of a connection for one kind of object."""

    def __init__(self, link: Link, hub: EventHub) -> None:
        self._link = link
        self._hub = hub


def uuid_of(uuid: UUID | str) -> UUID:
    """A UUID that is given as such or as text.

    Raises:
        InvalidArg: It is a text that is none.
    """
    if isinstance(uuid, UUID):
        return uuid
    try:
        return UUID(uuid)
    except ValueError as exc:
        raise InvalidArg(f"'{uuid}' is not a UUID") from exc
