# SPDX-License-Identifier: Apache-2.0
"""Which domain is meant."""

from __future__ import annotations

from uuid import UUID

from virloom.client.value import Value
from virloom.procedures.types import NonnullDomain


class DomainRef(Value):
    """A domain's identity as the host told it: plain data, good on any thread and connection.

    Two are equal when their UUIDs are. ``id`` is the number of the running guest, -1 when it was
    not running.
    """

    name: str
    uuid: UUID
    id: int = -1

    @classmethod
    def of_wire(cls, dom: NonnullDomain) -> DomainRef:
        """From the protocol's record."""
        return cls(dom.name, UUID(bytes=dom.uuid), dom.id)

    @property
    def wire(self) -> NonnullDomain:
        """The protocol's record."""
        return NonnullDomain(self.name, self.uuid.bytes, self.id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DomainRef) and self.uuid == other.uuid

    def __hash__(self) -> int:
        return hash(self.uuid)
