# SPDX-License-Identifier: Apache-2.0
"""What checkpoints and snapshots of a domain have in common."""

from __future__ import annotations

from virloom.client.domain.ref import DomainRef
from virloom.client.link import Link
from virloom.procedures import domain as p


class Moment:
    """A moment of a domain that has a name: two objects are one when they mean the same."""

    _wire: p.NonnullDomainCheckpoint | p.NonnullDomainSnapshot

    def __init__(
        self, link: Link, wire: p.NonnullDomainCheckpoint | p.NonnullDomainSnapshot
    ) -> None:
        self._link = link
        self._wire = wire

    @property
    def name(self) -> str:
        """Its name."""
        return self._wire.name

    @property
    def domain(self) -> DomainRef:
        """Whose it is."""
        return DomainRef.of_wire(self._wire.dom)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Moment)
            and type(self) is type(other)
            and self._link is other._link
            and (self.name, self.domain) == (other.name, other.domain)
        )

    def __hash__(self) -> int:
        return hash((self.name, self.domain))

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {self.name} of {self._wire.dom.name}>"
