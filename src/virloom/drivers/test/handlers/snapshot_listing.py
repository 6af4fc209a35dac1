# SPDX-License-Identifier: Apache-2.0
"""Which snapshots a domain has, and how they stand to each other."""

from __future__ import annotations

from virloom.drivers.runtime.moments import is_wanted, names_of, parent_of
from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.domain import Guest
from virloom.drivers.test.driver import InMemoryDriver
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.snapshot import DomainSnapshotListFlags
from virloom.errors import NoDomainSnapshot
from virloom.procedures import domain as p

_Flags = DomainSnapshotListFlags
_KNOWN = sum(set(_Flags))


def _names(guest: Guest, flags: int, below: str | None = None) -> list[str]:
    found = guest.snapshots.listed(flags, below)
    return names_of(found, lambda snapshot: is_wanted(snapshot, flags))


def _refs(guest: Guest, names: list[str]) -> list[p.NonnullDomainSnapshot]:
    ref = guest.ref()
    return [p.NonnullDomainSnapshot(name, ref) for name in names]


class SnapshotListing:
    """Handlers that list and look up snapshots."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_SNAPSHOT_NUM)
    def num(self, call: Call, args: p.DomainSnapshotNumArgs) -> p.DomainSnapshotNumRet:
        check_flags(call, args.flags, _KNOWN)
        return p.DomainSnapshotNumRet(len(_names(self._driver.find(args.dom), args.flags)))

    @serves(p.DOMAIN_SNAPSHOT_LIST_NAMES)
    def list_names(
        self, call: Call, args: p.DomainSnapshotListNamesArgs
    ) -> p.DomainSnapshotListNamesRet:
        check_flags(call, args.flags, _KNOWN)
        found = _names(self._driver.find(args.dom), args.flags)
        return p.DomainSnapshotListNamesRet(found[: args.maxnames])

    @serves(p.DOMAIN_LIST_ALL_SNAPSHOTS)
    def list_all(
        self, call: Call, args: p.DomainListAllSnapshotsArgs
    ) -> p.DomainListAllSnapshotsRet:
        check_flags(call, args.flags, _KNOWN)
        guest = self._driver.find(args.dom)
        found = _refs(guest, _names(guest, args.flags))
        return p.DomainListAllSnapshotsRet(found if args.need_results else [], len(found))

    @serves(p.DOMAIN_SNAPSHOT_NUM_CHILDREN)
    def num_children(
        self, call: Call, args: p.DomainSnapshotNumChildrenArgs
    ) -> p.DomainSnapshotNumChildrenRet:
        check_flags(call, args.flags, _KNOWN)
        guest, snapshot = self._driver.find_snapshot(args.snap)
        return p.DomainSnapshotNumChildrenRet(len(_names(guest, args.flags, snapshot.name)))

    @serves(p.DOMAIN_SNAPSHOT_LIST_CHILDREN_NAMES)
    def list_children_names(
        self, call: Call, args: p.DomainSnapshotListChildrenNamesArgs
    ) -> p.DomainSnapshotListChildrenNamesRet:
        check_flags(call, args.flags, _KNOWN)
        guest, snapshot = self._driver.find_snapshot(args.snap)
        found = _names(guest, args.flags, snapshot.name)
        return p.DomainSnapshotListChildrenNamesRet(found[: args.maxnames])

    @serves(p.DOMAIN_SNAPSHOT_LIST_ALL_CHILDREN)
    def list_all_children(
        self, call: Call, args: p.DomainSnapshotListAllChildrenArgs
    ) -> p.DomainSnapshotListAllChildrenRet:
        check_flags(call, args.flags, _KNOWN)
        guest, snapshot = self._driver.find_snapshot(args.snapshot)
        found = _refs(guest, _names(guest, args.flags, snapshot.name))
        return p.DomainSnapshotListAllChildrenRet(found if args.need_results else [], len(found))

    @serves(p.DOMAIN_SNAPSHOT_LOOKUP_BY_NAME)
    def by_name(
        self, call: Call, args: p.DomainSnapshotLookupByNameArgs
    ) -> p.DomainSnapshotLookupByNameRet:
        check_flags(call, args.flags)
        guest = self._driver.find(args.dom)
        snapshot = p.NonnullDomainSnapshot(args.name, guest.ref())
        self._driver.find_snapshot(snapshot)
        return p.DomainSnapshotLookupByNameRet(snapshot)

    @serves(p.DOMAIN_HAS_CURRENT_SNAPSHOT)
    def has_current(
        self, call: Call, args: p.DomainHasCurrentSnapshotArgs
    ) -> p.DomainHasCurrentSnapshotRet:
        check_flags(call, args.flags)
        has = self._driver.find(args.dom).snapshots.current is not None
        return p.DomainHasCurrentSnapshotRet(int(has))

    @serves(p.DOMAIN_SNAPSHOT_CURRENT)
    def current(self, call: Call, args: p.DomainSnapshotCurrentArgs) -> p.DomainSnapshotCurrentRet:
        check_flags(call, args.flags)
        guest = self._driver.find(args.dom)
        if guest.snapshots.current is None:
            raise NoDomainSnapshot(
                "the domain does not have a current snapshot", domain=ErrorDomain.TEST
            )
        return p.DomainSnapshotCurrentRet(*_refs(guest, [guest.snapshots.current]))

    @serves(p.DOMAIN_SNAPSHOT_IS_CURRENT)
    def is_current(
        self, call: Call, args: p.DomainSnapshotIsCurrentArgs
    ) -> p.DomainSnapshotIsCurrentRet:
        check_flags(call, args.flags)
        guest, snapshot = self._driver.find_snapshot(args.snap)
        return p.DomainSnapshotIsCurrentRet(int(guest.snapshots.current == snapshot.name))

    @serves(p.DOMAIN_SNAPSHOT_HAS_METADATA)
    def has_metadata(
        self, call: Call, args: p.DomainSnapshotHasMetadataArgs
    ) -> p.DomainSnapshotHasMetadataRet:
        check_flags(call, args.flags)
        self._driver.find_snapshot(args.snap)
        return p.DomainSnapshotHasMetadataRet(1)

    @serves(p.DOMAIN_SNAPSHOT_GET_PARENT)
    def get_parent(
        self, call: Call, args: p.DomainSnapshotGetParentArgs
    ) -> p.DomainSnapshotGetParentRet:
        check_flags(call, args.flags)
        guest, snapshot = self._driver.find_snapshot(args.snap)
        parent = parent_of(snapshot)
        if parent is None:
            raise NoDomainSnapshot(
                f"snapshot '{snapshot.name}' does not have a parent", domain=ErrorDomain.TEST
            )
        return p.DomainSnapshotGetParentRet(*_refs(guest, [parent]))
