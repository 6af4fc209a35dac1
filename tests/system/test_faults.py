# SPDX-License-Identifier: Apache-2.0
"""Whatever dies at whatever step: each QEMU has one record, and each record one QEMU."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import virloom
from virloom.drivers.qemu.process.steps import STEPS, observed
from virloom.enums.domain import DomainCreateFlags
from virloom.errors import VirloomError
from virloom.host.cgroup.layout import machine_name
from virloom.host.guardian import MARKER
from virloom.host.pidfd import processes_with_environ
from virloom.testing.documents import paused_guest_xml

OWNER = Path(__file__).parents[1] / "fakes" / "owner.py"

#: How many random kills; ``VIRLOOM_CHAOS=200`` for the figure in the docs.
CHAOS = int(os.environ.get("VIRLOOM_CHAOS", "12"))

START_STEPS = STEPS[: STEPS.index("running-recorded") + 1]
STOP_STEPS = STEPS[STEPS.index("running-recorded") + 1 :]


class Root:
    """A root directory, looked at from outside."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.uri = f"qemu:///embed?root={path}"

    def records(self) -> dict[str, int | None]:
        """Marker → pid of every record."""
        found = {}
        for file in (self.path / "run" / "qemu").glob("*.json"):
            record = json.loads(file.read_text())
            found[record["marker"]] = record["process"] and record["process"]["pid"]
        return found

    def processes(self) -> dict[str, int]:
        """Marker → pid of every QEMU that works for this root."""
        return {
            variables[MARKER]: identity.pid
            for identity, variables in processes_with_environ(MARKER)
            if _belongs(identity.pid, self.path)
        }

    def leftovers(self) -> list[str]:
        """Files that only a guest makes, and processes."""
        places = [self.path / "run" / "qemu", self.path / "lib" / "qemu"]
        kept = {"autostarted", "driver.lock", "guardian.live", "owners", "recorder"}
        files = [str(f) for place in places for f in place.iterdir() if f.name not in kept]
        return files + self.groups() + [f"process {pid}" for pid in self.processes().values()]

    def groups(self) -> list[str]:
        """Control groups of this root's guests."""
        name = machine_name(0, "", str(self.path)).removesuffix("0-")
        return [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/machine/{name}*")]


def _belongs(pid: int, root: Path) -> bool:
    try:
        return str(root).encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Root]:
    """A root whose guests are gone after the test, whatever it did."""
    root = Root(tmp_path / "root")
    yield root
    for pid in root.processes().values():
        os.kill(pid, signal.SIGKILL)


def documents(tmp_path: Path, *names: str) -> list[Path]:
    """Documents of tiny guests in files of these names."""
    paths = []
    for name in names:
        path = tmp_path / f"{name}.xml"
        path.write_text(paused_guest_xml(name, machine="microvm"))
        paths.append(path)
    return paths


def own(place: Root, step: str, paths: list[Path]) -> int:
    """Runs an owner to its end and returns its exit code."""
    command = [sys.executable, str(OWNER), str(place.path), step, *map(str, paths)]
    return subprocess.run(command, timeout=60, check=False).returncode


async def check_and_clean(place: Root) -> None:
    """Opens the root again, compares records with processes, and ends what is left."""
    async with virloom.open(place.uri) as conn:
        assert place.records() == place.processes()
        active = await conn.list_all_domains(1)
        assert len(active) == len(place.records())
        for guest in active:
            await guest.destroy()
        assert place.leftovers() == []


@pytest.mark.parametrize("step", STEPS)
async def test_the_owner_is_killed_at_a_step(place: Root, tmp_path: Path, step: str) -> None:
    paths = documents(tmp_path, "web", "auto-web")
    assert own(place, step, paths) == -signal.SIGKILL
    await check_and_clean(place)


async def test_the_owner_is_killed_at_random(place: Root, tmp_path: Path) -> None:
    paths = documents(tmp_path, "web", "auto-web", "db")
    for _ in range(CHAOS):
        delay = random.uniform(0.1, 0.8)
        assert own(place, f"delay={delay}", paths) in (0, -signal.SIGKILL), delay
        await check_and_clean(place)


class Fault(Exception):
    """What the tests raise inside a start."""


@pytest.mark.parametrize("step", START_STEPS)
async def test_a_start_that_fails_at_a_step_leaves_nothing(place: Root, step: str) -> None:
    def fail(reached: str) -> None:
        if reached == step:
            raise Fault(step)

    async with virloom.open(place.uri) as conn:
        with observed(fail), pytest.raises(VirloomError, match=step):
            await conn.create_xml(paused_guest_xml("web"), DomainCreateFlags.START_PAUSED)
        assert place.leftovers() == []
        assert await conn.list_all_domains() == []
        guest = await conn.create_xml(paused_guest_xml("web"), DomainCreateFlags.START_PAUSED)
        await guest.destroy()


AFTER_SPAWN = START_STEPS[START_STEPS.index("spawned") :]


@pytest.mark.parametrize("step", AFTER_SPAWN)
async def test_qemu_is_killed_at_a_step_of_the_start(place: Root, step: str) -> None:
    def kill(reached: str) -> None:
        if reached == step:
            while not (found := place.processes()):
                pass  # in the middle of its exec a process shows no environment
            for pid in found.values():
                os.kill(pid, signal.SIGKILL)

    async with virloom.open(place.uri) as conn, conn.lifecycle_events() as events:
        with observed(kill):
            try:
                guest = await conn.create_xml(
                    paused_guest_xml("web"), DomainCreateFlags.START_PAUSED
                )
            except VirloomError as error:
                # Under memory it did not get, QEMU goes like this: the error is to say so.
                assert "ended by signal 9" in error.message
                guest = None
        if guest is not None:
            async with asyncio.timeout(30):
                async for event in events:
                    if event.event.name == "STOPPED":
                        break
        assert place.leftovers() == []
        assert await conn.list_all_domains() == []


@pytest.mark.parametrize("step", STOP_STEPS)
async def test_a_stop_is_finished_by_the_next_owner(place: Root, tmp_path: Path, step: str) -> None:
    assert own(place, step, documents(tmp_path, "web")) == -signal.SIGKILL
    async with virloom.open(place.uri) as conn:
        assert await conn.list_all_domains() == []
        assert place.leftovers() == []
