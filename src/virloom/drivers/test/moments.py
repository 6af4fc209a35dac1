# SPDX-License-Identifier: Apache-2.0
"""The tree of a domain's snapshots, or of its checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from virloom.model.snapshot import Checkpoint, Snapshot

M = TypeVar("M", bound=Snapshot | Checkpoint)


class Moment(Generic[M]):
    """A node of the tree.

    Attributes:
        document: What it is.
        parent: The name of the moment before; None at a root.
    """

    def __init__(self, document: M, parent: str | None) -> None:
        self.document = document
        self.parent = parent

    @property
    def name(self) -> str:
        """Its name, unique in its domain."""
        return self.document.name or ""


class Moments(Generic[M]):
    """All moments of one kind of one domain.

    Attributes:
        current: The name of the one that the next is made after, if there is one.
    """

    def __init__(self) -> None:
        self.current: str | None = None
        self._by_name: dict[str, Moment[M]] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[Moment[M]]:
        return iter(list(self._by_name.values()))

    def get(self, name: str) -> Moment[M] | None:
        """The moment of that name."""
        return self._by_name.get(name)

    def add(self, moment: Moment[M]) -> None:
        """Adds or replaces a moment."""
        self._by_name[moment.name] = moment

    def remove(self, moment: Moment[M]) -> None:
        """Takes a moment out; its children are the caller's affair."""
        self._by_name.pop(moment.name, None)

    def clear(self) -> None:
        """Forgets all."""
        self._by_name.clear()
        self.current = None

    def children(self, name: str | None) -> list[Moment[M]]:
        """Those right after a moment, or the roots."""
        return [moment for moment in self if moment.parent == name]

    def descendants(self, name: str | None) -> list[Moment[M]]:
        """Those after a moment, however far; all of them for None."""
        found: list[Moment[M]] = []
        for child in self.children(name):
            found += [child, *self.descendants(child.name)]
        return found
