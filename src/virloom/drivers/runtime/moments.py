# SPDX-License-Identifier: Apache-2.0
"""The tree of a domain's snapshots, or of its checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from virloom.enums.error import ErrorDomain
from virloom.enums.snapshot import DomainSnapshotListFlags
from virloom.errors import OperationFailed
from virloom.model.snapshot import Checkpoint, Parent, Snapshot

M = TypeVar("M", bound=Snapshot | Checkpoint)

#: Of the flags that list: roots only (or, below a moment, all below), and with or without children.
ROOTS, LEAVES, NO_LEAVES = 1, 4, 8

_Flags = DomainSnapshotListFlags
_KINDS = _Flags.INACTIVE | _Flags.ACTIVE | _Flags.DISK_ONLY
_PLACES = _Flags.INTERNAL | _Flags.EXTERNAL


class Moments(Generic[M]):
    """All moments of one kind of one domain, by their names.

    Attributes:
        current: The name of the one that the next is made after, if there is one.
    """

    def __init__(self) -> None:
        self.current: str | None = None
        self._by_name: dict[str, M] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[M]:
        return iter(list(self._by_name.values()))

    def get(self, name: str | None) -> M | None:
        """The moment of that name."""
        return self._by_name.get(name or "")

    def add(self, moment: M) -> None:
        """Adds a moment after the current one, and makes it the current one.

        Raises:
            OperationFailed: There is one of that name.
        """
        name = moment.name or ""
        if name in self._by_name:
            raise OperationFailed(f"domain moment {name} already exists", domain=ErrorDomain.DOMAIN)
        moment.parent = Parent(name=self.current) if self.current is not None else None
        self._by_name[name] = moment
        self.current = name

    def replace(self, moment: M) -> None:
        """Puts a moment where its document says, in the place of another one of its name."""
        self._by_name[moment.name or ""] = moment

    def below(self, name: str | None, *, deep: bool) -> list[M]:
        """The moments right after one, or however far; the first ones for None."""
        found: list[M] = []
        for moment in self:
            if parent_of(moment) == name:
                found.append(moment)
                if deep:
                    found += self.below(moment.name, deep=True)
        return found

    def listed(self, flags: int, name: str | None = None) -> list[M]:
        """The moments of a domain, or below one of them, that *flags* ask for."""
        deep = bool(flags & ROOTS) if name is not None else not flags & ROOTS
        found = self.below(name, deep=deep)
        for flag, leaf in ((LEAVES, True), (NO_LEAVES, False)):
            if flags & flag:
                found = [one for one in found if (not self.below(one.name, deep=False)) == leaf]
        return found

    def remove(self, moment: M, *, children: bool = False, itself: bool = True) -> None:
        """Removes a moment, what comes after it, or both; what is left moves up."""
        name, parent = moment.name, parent_of(moment)
        if children:
            for other in self.below(name, deep=True):
                if other.name == self.current:
                    self.current = name
                del self._by_name[other.name or ""]
        if not itself:
            return
        for other in self.below(name, deep=False):
            other.parent = Parent(name=parent) if parent is not None else None
        if self.current == name:
            self.current = parent
        del self._by_name[name or ""]

    def clear(self) -> None:
        """Forgets all."""
        self._by_name.clear()
        self.current = None


def is_external(snapshot: Snapshot) -> bool:
    """Whether anything of it is kept outside of the images that the guest had then."""
    return snapshot.memory.snapshot == "external" or any(
        disk.snapshot == "external" for disk in snapshot.disks.disks
    )


def is_wanted(snapshot: Snapshot, flags: int) -> bool:
    """Whether it is of the kinds that the flags ask for; whoever lists them knows all of them."""
    if flags & _Flags.NO_METADATA and not flags & _Flags.METADATA:
        return False
    kind = {"shutoff": _Flags.INACTIVE, "disk-snapshot": _Flags.DISK_ONLY}.get(
        snapshot.state or "", _Flags.ACTIVE
    )
    if flags & _KINDS and not flags & kind:
        return False
    place = _Flags.EXTERNAL if is_external(snapshot) else _Flags.INTERNAL
    return not flags & _PLACES or bool(flags & place)


def parent_of(moment: Snapshot | Checkpoint) -> str | None:
    """The name of the moment before."""
    return moment.parent.name if moment.parent is not None else None


def names_of(found: list[M], keep: Callable[[M], bool] = lambda moment: True) -> list[str]:
    """The names of moments."""
    return [moment.name or "" for moment in found if keep(moment)]
