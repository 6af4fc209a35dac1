# SPDX-License-Identifier: Apache-2.0
"""Snapshots and checkpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.dispatcher import FakeDriver, document, endpoint_of
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.endpoint.dispatch import Call, serves
from virloom.errors import NoDomainSnapshot
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain
from virloom.uri import ConnectURI


class WithSnapshots(FakeDriver):
    """Keeps names: each snapshot is made upon the last one. The document is the name."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.reverted: list[str] = []
        self.backups: list[tuple[str, str | None]] = []

    @serves(p.DOMAIN_SNAPSHOT_CREATE_XML)
    def make(self, call: Call, args: p.DomainSnapshotCreateXMLArgs) -> p.DomainSnapshotCreateXMLRet:
        self.names.append(args.xml_desc)
        return p.DomainSnapshotCreateXMLRet(self._wire(args.xml_desc, args.dom))

    @serves(p.DOMAIN_LIST_ALL_SNAPSHOTS)
    def every(self, call: Call, args: p.DomainListAllSnapshotsArgs) -> p.DomainListAllSnapshotsRet:
        found = [self._wire(name, args.dom) for name in self.names]
        return p.DomainListAllSnapshotsRet(found, len(found))

    @serves(p.DOMAIN_SNAPSHOT_CURRENT)
    def last(self, call: Call, args: p.DomainSnapshotCurrentArgs) -> p.DomainSnapshotCurrentRet:
        return p.DomainSnapshotCurrentRet(self._wire(self.names[-1], args.dom))

    @serves(p.DOMAIN_SNAPSHOT_GET_PARENT)
    def before(
        self, call: Call, args: p.DomainSnapshotGetParentArgs
    ) -> p.DomainSnapshotGetParentRet:
        place = self.names.index(args.snap.name)
        if place == 0:
            raise NoDomainSnapshot(f"snapshot '{args.snap.name}' has no parent")
        return p.DomainSnapshotGetParentRet(self._wire(self.names[place - 1], args.snap.dom))

    @serves(p.DOMAIN_REVERT_TO_SNAPSHOT)
    def back(self, call: Call, args: p.DomainRevertToSnapshotArgs) -> None:
        self.reverted.append(args.snap.name)

    @serves(p.DOMAIN_SNAPSHOT_DELETE)
    def delete(self, call: Call, args: p.DomainSnapshotDeleteArgs) -> None:
        self.names.remove(args.snap.name)

    @serves(p.DOMAIN_CHECKPOINT_CREATE_XML)
    def checkpoint(
        self, call: Call, args: p.DomainCheckpointCreateXMLArgs
    ) -> p.DomainCheckpointCreateXMLRet:
        made = p.NonnullDomainCheckpoint(args.xml_desc, args.dom)
        return p.DomainCheckpointCreateXMLRet(made)

    @serves(p.DOMAIN_BACKUP_BEGIN)
    def backup(self, call: Call, args: p.DomainBackupBeginArgs) -> None:
        self.backups.append((args.backup_xml, args.checkpoint_xml))

    def _wire(self, name: str, dom: NonnullDomain) -> p.NonnullDomainSnapshot:
        return p.NonnullDomainSnapshot(name, dom)


@pytest.fixture
def keeper() -> WithSnapshots:
    return WithSnapshots()


@pytest.fixture
async def dom(keeper: WithSnapshots) -> AsyncIterator[Domain]:
    async with Connection(endpoint_of(keeper), ConnectURI("qemu", path="/embed")) as conn:
        yield await conn.define_xml(document("one"))


async def test_snapshots(dom: Domain, keeper: WithSnapshots) -> None:
    first = await dom.snapshots.create("first")
    second = await dom.snapshots.create("second")
    assert await dom.snapshots.list() == [first, second]
    assert await dom.snapshots.current() == second
    assert await second.parent() == first
    with pytest.raises(NoDomainSnapshot):
        await first.parent()
    await first.revert()
    assert keeper.reverted == ["first"]
    await second.delete()
    assert await dom.snapshots.list() == [first]
    assert first.domain == dom.ref
    assert repr(first) == "<snapshot first of one>"


async def test_checkpoints_and_backups(dom: Domain, keeper: WithSnapshots) -> None:
    made = await dom.checkpoints.create("monday")
    assert (made.name, made.domain) == ("monday", dom.ref)
    await dom.checkpoints.backup("copy")
    await dom.checkpoints.backup("copy", "tuesday")
    assert keeper.backups == [("copy", None), ("copy", "tuesday")]
