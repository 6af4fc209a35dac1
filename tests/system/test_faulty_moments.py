# SPDX-License-Identifier: Apache-2.0
"""Snapshots, merges and backups of a QEMU that refuses, or never answers, at each step.

What a work asks of QEMU is learnt from one that succeeds. Then each of its commands has a fault,
one after the other: the call fails with a clear error or succeeds, what the guest has written is
there, and the same work can be done at once afterwards.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.faulty_monitor import FaultyMonitor, faulty, hangs_up, never, refuses
from tests.fakes.impatient import impatient
from tests.property.qcow2_reader import content
from tests.system.conftest import end_all
from tests.system.test_snapshots import (
    PAUSED,
    define,
    filled,
    image,
    make,
    top,
    write_live,
)  # fmt: skip
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.drivers.qemu.patience import Patience
from virloom.enums.snapshot import DomainSnapshotCreateFlags
from virloom.errors import VirloomError

LIMITS = Patience(job=2.0, answer=0.3, greeting=30.0, reunion=5.0, unplug=1.0)
DISK_ONLY = DomainSnapshotCreateFlags.DISK_ONLY
FAULTS = (refuses(times=1), never(times=1), never(reaches=True, times=1))

Work = Callable[[], Awaitable[Any]]


class Place:
    """A guest with a disk, and the monitor between it and its driver."""

    def __init__(self, conn: Connection, dom: Domain, monitor: FaultyMonitor) -> None:
        self.conn = conn
        self.dom = dom
        self.monitor = monitor
        self.value = 0

    async def write(self) -> None:
        """As the guest would do it; each time something else."""
        self.value = self.value % 250 + 1
        await write_live(self.dom, self.value)

    async def check(self) -> None:
        """What was written is there, and QEMU is at peace."""
        assert content(str(await top(self.dom))) == filled(self.value)
        await self.write()
        assert content(str(await top(self.dom))) == filled(self.value)
        answer = json.loads(await self.dom.monitor_command('{"execute":"query-jobs"}'))
        assert answer["return"] == []

    async def names(self) -> list[str]:
        return [one.name for one in await self.dom.snapshots.list()]

    async def learn(self, work: Work) -> list[str]:
        """The commands of a work, in order."""
        before = len(self.monitor.commands)
        await work()
        return list(dict.fromkeys(self.monitor.commands[before:]))

    async def attempt(self, command: str, fault: Any, work: Work) -> bool:
        """Does a work with that fault; whether it was done."""
        self.monitor.on(command, fault)
        try:
            await work()
        except VirloomError as error:
            assert error.message, (command, fault)
            return False
        finally:
            self.monitor.on(command, None)
        return True


@pytest.fixture
async def place(root: Path, tmp_path: Path) -> AsyncIterator[Place]:
    with faulty(root) as monitor:
        async with impatient(root, LIMITS) as conn:
            dom = await define(conn, image(tmp_path / "a.qcow2"))
            await dom.create(PAUSED)
            found = Place(conn, dom, monitor)
            await found.write()
            yield found
            with suppress(VirloomError):
                await end_all(conn)


def no_note(root: Path) -> bool:
    """No work is left half done."""
    return not list((root / "lib/qemu/snapshot-work").glob("*"))


async def test_external_snapshots(place: Place, root: Path) -> None:
    dom, number = place.dom, 0

    async def work() -> None:
        await make(dom, f"s{number}", DISK_ONLY)

    commands = await place.learn(work)
    assert "transaction" in commands
    for command in commands:
        for fault in FAULTS:
            number += 1
            before = await top(dom)
            done = await place.attempt(command, fault, work)
            assert (f"s{number}" in await place.names()) is done, (command, fault)
            assert (await top(dom) != before) is done, (command, fault)
            assert no_note(root), (command, fault)
            await place.check()
            if not done:
                assert not before.with_suffix(f".s{number}").exists(), (command, fault)


async def test_merges(place: Place, root: Path) -> None:
    dom = place.dom

    async def prepare() -> None:
        if "s" not in await place.names():
            await make(dom, "s", DISK_ONLY)
        await place.write()

    async def work() -> None:
        await (await dom.snapshots.lookup("s")).delete()

    await prepare()
    commands = await place.learn(work)
    assert "block-commit" in commands
    for command in commands:
        for fault in FAULTS:
            await prepare()
            done = await place.attempt(command, fault, work)
            assert ("s" in await place.names()) is not done, (command, fault)
            if not done:
                await work()  # it is completed
            assert no_note(root), (command, fault)
            await place.check()


async def test_backups(place: Place, tmp_path: Path) -> None:
    dom, number = place.dom, 0
    server = f"<server transport='unix' socket='{tmp_path}/nbd'/>"

    async def work() -> None:
        await dom.checkpoints.backup(f"<domainbackup mode='pull'>{server}</domainbackup>")

    async def end() -> None:
        await dom.jobs.abort()
        async with asyncio.timeout(10):
            while list(tmp_path.glob("a.qcow2.*")):
                await asyncio.sleep(0.01)

    commands = await place.learn(work)
    await end()
    assert "transaction" in commands
    commands.remove("getfd")  # which has the monitor's own limit, of 30 s
    for command in commands:
        for fault in FAULTS:
            number += 1
            if await place.attempt(command, fault, work):
                await end()
            assert not list(tmp_path.glob("a.qcow2.*")), (command, fault)
            await place.check()
    await work()
    await end()


@pytest.mark.parametrize("reaches", [True, False])
async def test_a_snapshot_of_which_nobody_hears(
    place: Place, root: Path, tmp_path: Path, reaches: bool
) -> None:
    """The monitor breaks off: the next owner finds out what has become of it."""
    place.monitor.on("transaction", hangs_up(reaches=reaches, times=1))
    with pytest.raises(VirloomError):
        await make(place.dom, "s", DISK_ONLY)
    await place.conn.close()
    async with impatient(root) as conn:
        dom = await conn.lookup_by_name("web")
        with suppress(VirloomError):
            await dom.rename("web")  # waits for what goes on
        assert [one.name for one in await dom.snapshots.list()] == (["s"] if reaches else [])
        assert (tmp_path / "a.s").exists() is reaches
        assert content(str(await top(dom))) == filled(place.value)
        assert no_note(root)
        await end_all(conn)
