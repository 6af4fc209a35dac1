# SPDX-License-Identifier: Apache-2.0
"""When threads of new guests get into their control groups."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from virloom.drivers.qemu.limits import settling
from virloom.drivers.qemu.limits.settling import Newcomer, Settler, Threads
from virloom.host.cgroup.group import GuestGroups, Place


class Host:
    """A directory with groups, a settler for its guests, and what that has begun."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.tasks: list[asyncio.Task[Any]] = []
        self.settler = Settler(self.begin)
        self.ending: set[str] = set()

    def begin(self, work: Coroutine[Any, Any, None], what: str) -> None:
        self.tasks.append(asyncio.create_task(work, name=what))

    def add(self, name: str, thread: int) -> None:
        """A guest with one vCPU."""
        (self.place / name / "vcpu0").mkdir(parents=True)
        (self.place / name / "vcpu0" / "tasks").write_text("")
        groups = GuestGroups([Place(1, str(self.place / name), frozenset({"cpu"}))])
        threads = Threads(groups, {"vcpu": {0: thread}, "iothread": {}})
        self.settler.add(Newcomer(name, threads, lambda: name not in self.ending))

    def moved(self, name: str) -> str:
        """The thread in a guest's group."""
        return (self.place / name / "vcpu0" / "tasks").read_text()

    async def settled(self) -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*self.tasks)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


async def test_a_pause_is_waited_for(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virloom.drivers.qemu.limits.settling.PATIENCE", 10.0)
    with host.settler.starting():
        host.add("a", 11)
        await asyncio.sleep(3 * settling.PAUSE)
        assert host.moved("a") == ""
        host.add("b", 12)
    await host.settled()
    assert (host.moved("a"), host.moved("b")) == ("11", "12")
    assert len(host.tasks) == 1


async def test_a_start_in_the_pause_is_waited_for(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("virloom.drivers.qemu.limits.settling.PATIENCE", 10.0)
    monkeypatch.setattr("virloom.drivers.qemu.limits.settling.PAUSE", 0.1)
    host.add("a", 11)
    await asyncio.sleep(0.05)
    with host.settler.starting():
        pass
    await asyncio.sleep(0.08)  # the first pause is over
    assert host.moved("a") == ""
    await host.settled()
    assert host.moved("a") == "11"


async def test_not_for_ever(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virloom.drivers.qemu.limits.settling.PATIENCE", 0.03)
    with host.settler.starting():
        host.add("a", 11)
        await host.settled()
        assert host.moved("a") == "11"


async def test_a_guest_that_is_to_end_is_left_alone(host: Host) -> None:
    host.add("a", 11)
    host.add("b", 12)
    host.ending.add("a")
    await host.settled()
    assert (host.moved("a"), host.moved("b")) == ("", "12")


async def test_what_the_kernel_refuses_keeps_no_other_guest(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    host.add("a", 11)
    host.add("b", 12)
    tasks = host.place / "a" / "vcpu0" / "tasks"
    tasks.unlink()
    tasks.mkdir()
    await host.settled()
    assert host.moved("b") == "12"
    assert "threads of 'a'" in caplog.text


async def test_who_closes_does_not_wait(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virloom.drivers.qemu.limits.settling.PATIENCE", 60.0)
    monkeypatch.setattr("virloom.drivers.qemu.limits.settling.PAUSE", 60.0)
    with host.settler.starting():
        host.add("a", 11)
        await asyncio.sleep(0)
        host.settler.hurry()
        await host.settled()
        host.add("b", 12)
        await host.settled()
    assert (host.moved("a"), host.moved("b")) == ("11", "12")
