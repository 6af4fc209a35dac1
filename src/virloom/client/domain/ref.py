# SPDX-License-Identifier: Apache-2.0
"""Which domain is meant."""

from __future__ import annotations

from uuid import UUID

from virloom.procedures.types import NonnullDomain


class DomainRef:
    """A domain's identity as the host told it: plain data, good on any thread and connection.

    Two are equal when their UUIDs are. ``id`` is the number of the running guest, -1 when it was
    not running.
    """

    __slots__ = ("_bytes", "_id", "_name", "_uuid")

    def __init__(self, name: str, uuid: UUID, id: int = -1) -> None:
        self._name = name
        self._bytes = uuid.bytes
        self._uuid: UUID | None = uuid
        self._id = id

    @classmethod
    def of_wire(cls, dom: NonnullDomain) -> DomainRef:
        """From the protocol's record."""
        made = cls.__new__(cls)
        made._name = dom.name
        made._bytes = dom.uuid
        made._uuid = None  # a thousand of them are listed, and few are asked for
        made._id = dom.id
        return made

    @property
    def name(self) -> str:
        """The name at that time."""
        return self._name

    @property
    def uuid(self) -> UUID:
        """The UUID: it never changes."""
        if self._uuid is None:
            self._uuid = UUID(bytes=self._bytes)
        return self._uuid

    @property
    def id(self) -> int:
        """The number of the running guest at that time."""
        return self._id

    @property
    def wire(self) -> NonnullDomain:
        """The protocol's record."""
        return NonnullDomain(self._name, self._bytes, self._id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DomainRef) and self._bytes == other._bytes

    def __hash__(self) -> int:
        return hash(self._bytes)

    def __repr__(self) -> str:
        return f"DomainRef({self._name!r}, {str(self.uuid)!r}, id={self._id})"
