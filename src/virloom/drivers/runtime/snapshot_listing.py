# SPDX-License-Identifier: Apache-2.0
"""Which snapshots a domain has, and how they stand to each other: the calls of every driver."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from virloom.drivers.runtime.arguments import unknown_flags
from virloom.drivers.runtime.moments import Moments, is_wanted, names_of, parent_of
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.snapshot import DomainSnapshotListFlags
from virloom.errors import NoDomainSnapshot
from virloom.model.snapshot import Snapshot
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain

_KNOWN = sum(set(DomainSnapshotListFlags))


class Tree(NamedTuple):
    """The snapshots of a domain, and how it is named in answers."""

    ref: NonnullDomain
    moments: Moments[Snapshot]

    def names(self, flags: int, below: str | None = None) -> list[str]:
        """The names of those that *flags* ask for."""
        found = self.moments.listed(flags, below)
        return names_of(found, lambda snapshot: is_wanted(snapshot, flags))

    def refs(self, names: list[str]) -> list[p.NonnullDomainSnapshot]:
        """How snapshots are named in answers."""
        return [p.NonnullDomainSnapshot(name, self.ref) for name in names]


class SnapshotListing(ABC):
    """Handlers that list and look up snapshots."""

    #: Whose errors they are, and how the names of the driver's functions begin.
    error_domain: ErrorDomain
    prefix: str

    @abstractmethod
    def tree(self, dom: NonnullDomain) -> Tree:
        """The snapshots of a domain.

        Raises:
            NoDomain: There is no such domain.
        """

    def found(self, snap: p.NonnullDomainSnapshot) -> tuple[Tree, Snapshot]:
        """A snapshot, among all of its domain.

        Raises:
            NoDomain: There is no such domain.
            NoDomainSnapshot: It has no such snapshot.
        """
        tree = self.tree(snap.dom)
        snapshot = tree.moments.get(snap.name)
        if snapshot is None:
            raise self._none(f"no domain snapshot with matching name '{snap.name}'")
        return tree, snapshot

    def _none(self, why: str) -> NoDomainSnapshot:
        return NoDomainSnapshot(why, domain=self.error_domain)

    def _check(self, call: Call, flags: int, known: int = 0) -> None:
        unknown = flags & ~known
        if unknown:
            name = self.prefix + call.procedure.api_name.removeprefix("vir")
            raise unknown_flags(unknown, name, self.error_domain)

    @serves(p.DOMAIN_SNAPSHOT_NUM)
    def num(self, call: Call, args: p.DomainSnapshotNumArgs) -> p.DomainSnapshotNumRet:
        self._check(call, args.flags, _KNOWN)
        return p.DomainSnapshotNumRet(len(self.tree(args.dom).names(args.flags)))

    @serves(p.DOMAIN_SNAPSHOT_LIST_NAMES)
    def list_names(
        self, call: Call, args: p.DomainSnapshotListNamesArgs
    ) -> p.DomainSnapshotListNamesRet:
        self._check(call, args.flags, _KNOWN)
        found = self.tree(args.dom).names(args.flags)
        return p.DomainSnapshotListNamesRet(found[: args.maxnames])

    @serves(p.DOMAIN_LIST_ALL_SNAPSHOTS)
    def list_all(
        self, call: Call, args: p.DomainListAllSnapshotsArgs
    ) -> p.DomainListAllSnapshotsRet:
        self._check(call, args.flags, _KNOWN)
        tree = self.tree(args.dom)
        found = tree.refs(tree.names(args.flags))
        return p.DomainListAllSnapshotsRet(found if args.need_results else [], len(found))

    @serves(p.DOMAIN_SNAPSHOT_NUM_CHILDREN)
    def num_children(
        self, call: Call, args: p.DomainSnapshotNumChildrenArgs
    ) -> p.DomainSnapshotNumChildrenRet:
        self._check(call, args.flags, _KNOWN)
        tree, snapshot = self.found(args.snap)
        return p.DomainSnapshotNumChildrenRet(len(tree.names(args.flags, snapshot.name)))

    @serves(p.DOMAIN_SNAPSHOT_LIST_CHILDREN_NAMES)
    def list_children_names(
        self, call: Call, args: p.DomainSnapshotListChildrenNamesArgs
    ) -> p.DomainSnapshotListChildrenNamesRet:
        self._check(call, args.flags, _KNOWN)
        tree, snapshot = self.found(args.snap)
        found = tree.names(args.flags, snapshot.name)
        return p.DomainSnapshotListChildrenNamesRet(found[: args.maxnames])

    @serves(p.DOMAIN_SNAPSHOT_LIST_ALL_CHILDREN)
    def list_all_children(
        self, call: Call, args: p.DomainSnapshotListAllChildrenArgs
    ) -> p.DomainSnapshotListAllChildrenRet:
        self._check(call, args.flags, _KNOWN)
        tree, snapshot = self.found(args.snapshot)
        found = tree.refs(tree.names(args.flags, snapshot.name))
        return p.DomainSnapshotListAllChildrenRet(found if args.need_results else [], len(found))

    @serves(p.DOMAIN_SNAPSHOT_LOOKUP_BY_NAME)
    def by_name(
        self, call: Call, args: p.DomainSnapshotLookupByNameArgs
    ) -> p.DomainSnapshotLookupByNameRet:
        self._check(call, args.flags)
        tree = self.tree(args.dom)
        snapshot = p.NonnullDomainSnapshot(args.name, tree.ref)
        self.found(snapshot)
        return p.DomainSnapshotLookupByNameRet(snapshot)

    @serves(p.DOMAIN_HAS_CURRENT_SNAPSHOT)
    def has_current(
        self, call: Call, args: p.DomainHasCurrentSnapshotArgs
    ) -> p.DomainHasCurrentSnapshotRet:
        self._check(call, args.flags)
        has = self.tree(args.dom).moments.current is not None
        return p.DomainHasCurrentSnapshotRet(int(has))

    @serves(p.DOMAIN_SNAPSHOT_CURRENT)
    def current(self, call: Call, args: p.DomainSnapshotCurrentArgs) -> p.DomainSnapshotCurrentRet:
        self._check(call, args.flags)
        tree = self.tree(args.dom)
        if tree.moments.current is None:
            raise self._none("the domain does not have a current snapshot")
        return p.DomainSnapshotCurrentRet(*tree.refs([tree.moments.current]))

    @serves(p.DOMAIN_SNAPSHOT_IS_CURRENT)
    def is_current(
        self, call: Call, args: p.DomainSnapshotIsCurrentArgs
    ) -> p.DomainSnapshotIsCurrentRet:
        self._check(call, args.flags)
        tree, snapshot = self.found(args.snap)
        return p.DomainSnapshotIsCurrentRet(int(tree.moments.current == snapshot.name))

    @serves(p.DOMAIN_SNAPSHOT_HAS_METADATA)
    def has_metadata(
        self, call: Call, args: p.DomainSnapshotHasMetadataArgs
    ) -> p.DomainSnapshotHasMetadataRet:
        self._check(call, args.flags)
        self.found(args.snap)
        return p.DomainSnapshotHasMetadataRet(1)

    @serves(p.DOMAIN_SNAPSHOT_GET_PARENT)
    def get_parent(
        self, call: Call, args: p.DomainSnapshotGetParentArgs
    ) -> p.DomainSnapshotGetParentRet:
        self._check(call, args.flags)
        tree, snapshot = self.found(args.snap)
        parent = parent_of(snapshot)
        if parent is None:
            raise self._none(f"snapshot '{snapshot.name}' does not have a parent")
        return p.DomainSnapshotGetParentRet(*tree.refs([parent]))
