# SPDX-License-Identifier: Apache-2.0
"""Leases of a guest, in step with what it does; whoever gives them may refuse or be away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from virloom.drivers.qemu.locks.guest import GuestLeases, give_all_back, noted
from virloom.drivers.qemu.locks.interface import Claim, LockManager, Owner
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.errors import ResourceBusy, SystemFailure
from virloom.model.domain import Domain
from virloom.xml import parse_document

A, B = Claim("file", "/a"), Claim("file", "/b", shared=True)
LEASE = Claim("lease", "/spaces", lockspace="s", key="k")
DOCUMENT = """<domain type='qemu'><name>web</name><devices>
<disk type='file'><source file='/a'/><target dev='sda'/></disk>
<disk type='file'><source file='/b'/><target dev='sdb'/><shareable/></disk>
<disk type='file'><source file='/c'/><target dev='sdc'/><readonly/></disk>
<disk type='file' device='cdrom'><target dev='sdd'/></disk>
<lease><lockspace>s</lockspace><key>k</key><target path='/spaces'/></lease></devices></domain>"""


class Clerk(LockManager):
    """Gives leases, unless another has them or it is away."""

    name = "clerk"

    def __init__(self) -> None:
        super().__init__()
        self.given: set[Claim] = set()
        self.taken: set[Claim] = set()
        self.away = False
        self.before: Callable[[], None] = lambda: None

    def _come(self) -> None:
        self.before()
        if self.away:
            raise SystemFailure("away")

    async def ready(self) -> None:
        self._come()

    async def acquire(self, owner: Owner, claims: Sequence[Claim]) -> None:
        self._come()
        assert not self.given & set(claims), "what it has is not asked for"
        if self.taken & set(claims):
            raise ResourceBusy("taken")
        self.given |= set(claims)

    async def release(self, owner: Owner, claims: Sequence[Claim]) -> None:
        self._come()
        self.given -= set(claims)


class Owned:
    """A guest with its record on the disk."""

    def __init__(self, directory: Path) -> None:
        self.record = GuestRecord(directory / "web.json", "web", "0" * 32, 1)
        self.record.save()
        self.backup = None
        self.model = parse_document(Domain, DOCUMENT)
        self.guest = SimpleNamespace(running=self, name="web")

    def save(self) -> None:
        self.record.save()

    def on_disk(self) -> set[Claim]:
        return set(noted(GuestRecord.load(self.record.path)))

    def leases(self, manager: LockManager | None) -> GuestLeases:
        return GuestLeases(cast(RunningGuest, self), manager)


@pytest.fixture
def owned(tmp_path: Path) -> Owned:
    return Owned(tmp_path)


async def test_nobody_gives_any(owned: Owned) -> None:
    leases = owned.leases(None)
    await leases.take()
    leases.stopped()
    await leases.give_up()
    async with leases.claimed([A]):
        assert not leases.taken


async def test_all_while_it_runs_and_none_while_it_is_paused(owned: Owned) -> None:
    clerk = Clerk()
    leases = owned.leases(clerk)
    clerk.before = lambda: seen.append(owned.on_disk())
    seen: list[Any] = []
    await leases.take()
    assert clerk.given == owned.on_disk() == {A, B, LEASE}
    assert seen == [{A, B, LEASE}]  # in the record before it was asked
    await leases.give_up()  # its CPUs run
    assert clerk.given == {A, B, LEASE}
    leases.stopped()
    await leases.give_up()
    assert (clerk.given, owned.on_disk()) == (set(), set())


async def test_refused_and_away(owned: Owned) -> None:
    clerk = Clerk()
    leases = owned.leases(clerk)
    clerk.taken = {B}
    with pytest.raises(ResourceBusy):
        await leases.take()
    assert (clerk.given, owned.on_disk()) == (set(), set())
    clerk.taken = set()
    await leases.take()
    leases.stopped()
    clerk.away = True
    await leases.give_up()
    assert owned.on_disk() == {A, B, LEASE}
    with pytest.raises(SystemFailure):
        await leases.take()
    clerk.away, clerk.given = False, set()  # it has been started again, and knows nothing
    await leases.take()
    assert clerk.given == {A, B, LEASE}


async def test_one_more_for_a_while(owned: Owned) -> None:
    clerk, more = Clerk(), Claim("file", "/new")
    leases = owned.leases(clerk)
    async with leases.claimed([more, None]):
        assert clerk.given == owned.on_disk() == {more}
    assert clerk.given == set()
    await leases.take()
    async with leases.claimed([more]):
        owned.model.devices.disks[0].source.file = "/new"
    assert clerk.given == owned.on_disk() == {more, B, LEASE}


async def test_one_image_is_not_claimed_twice(owned: Owned) -> None:
    clerk = Clerk()
    leases = owned.leases(clerk)
    await leases.take()
    with pytest.raises(ResourceBusy, match="'/a' already"):
        async with leases.claimed([A]):
            pytest.fail("a second disk writes to the image")
    async with leases.claimed([B]):  # disks that share it may
        pass
    assert clerk.given == owned.on_disk() == {A, B, LEASE}
    leases.stopped()
    await leases.give_up()
    owned.model.devices.disks[1].source.file = "/a"
    await leases.take()  # one of them shares it: whoever gives leases has to say what that means
    owned.model.devices.disks[1].shareable = False
    leases.stopped()
    with pytest.raises(ResourceBusy, match="'/a' already"):
        await leases.take()


async def test_taken_over(owned: Owned) -> None:
    """What was noted and is not needed goes; what is needed and was not noted comes."""
    clerk, stale = Clerk(), Claim("file", "/stale")
    clerk.given = {A, stale}
    owned.record.runtime["leases"] = [list(A), list(stale)]
    await owned.leases(clerk).adopt(runs=True)
    assert clerk.given == owned.on_disk() == {A, B, LEASE}
    await owned.leases(clerk).adopt(runs=False)
    assert (clerk.given, owned.on_disk()) == (set(), set())


async def test_of_a_guest_that_has_ended(owned: Owned) -> None:
    clerk = Clerk()
    await owned.leases(clerk).take()
    owned.guest.running = None
    await give_all_back(clerk, owned.record)
    assert clerk.given == set()
    clerk.away = True
    await give_all_back(clerk, owned.record)  # nobody is kept waiting
