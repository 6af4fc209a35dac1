# SPDX-License-Identifier: Apache-2.0
"""The guardian, with processes that stand for guests and an owner that is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from virloom.errors import OperationFailed
from virloom.host.files import write_atomic
from virloom.host.guardian import MARKER, Guardian, earlier_guardians_done
from virloom.host.identity import ProcessIdentity, find_by_environ
from virloom.host.lock import is_live, live_path, take_liveness
from virloom.host.pidfd import PidFd
from virloom.host.process import Process, SpawnRequest, run, spawn

STUBBORN = ["sh", "-c", "trap '' TERM; echo; while :; do sleep 60; done"]
QUIET = ["sh", "-c", "echo; exec sleep 60"]


class Guest:
    """A process that stands for a guest, with a record, a liveness lock and a thing it holds."""

    def __init__(self, directory: Path, name: str, argv: list[str] = QUIET) -> None:
        self.record = directory / f"{name}.json"
        self.live = live_path(str(self.record))
        self.held = directory / f"{name}.sock"
        self.marker = f"{name}-{directory}"
        self.argv = argv
        self.process: Process | None = None

    def intend(self, **changes: Any) -> None:
        """Write the record and make what it lists."""
        self.held.touch()
        resources = [{"kind": "file", "path": str(self.held)}]
        record = {"version": 1, "marker": self.marker, "process": None, "resources": resources}
        write_atomic(self.record, json.dumps(record | changes).encode())

    def spawn(self) -> Process:
        """Start the process; returns when its program has begun."""
        reader, writer = os.pipe()
        live = take_liveness(self.live)
        environment = {**os.environ, MARKER: self.marker}
        request = SpawnRequest(self.argv, environment, stdout=writer, pass_fds=[live])
        self.process = spawn(request)
        for fd in (live, writer):
            os.close(fd)
        assert os.read(reader, 1)
        os.close(reader)
        return self.process

    def start(self, guardian: Guardian) -> Process:
        """All of a start."""
        self.intend()
        guardian.expect(str(self.record), self.marker)
        process = self.spawn()
        guardian.adopt(process.identity, str(self.record))
        return process

    @property
    def gone(self) -> bool:
        """Whether nothing is left of it."""
        left = [p for p in (self.record, self.held, Path(self.live)) if p.exists()]
        return not left and not is_live(self.live)

    async def reap(self) -> int | None:
        """The exit code."""
        assert self.process is not None
        code = await self.process.wait()
        self.process.close()
        return code


@pytest.fixture
async def guardian(tmp_path: Path) -> AsyncIterator[Guardian]:
    guardian = Guardian.start(str(tmp_path / "guardian.lock"))
    yield guardian
    await guardian.close()
    assert not is_live(str(tmp_path / "guardian.lock"))


async def test_closing_ends_every_guest_and_releases_what_it_held(
    tmp_path: Path, guardian: Guardian
) -> None:
    guests = [Guest(tmp_path, f"g{number}") for number in range(3)]
    for guest in guests:
        guest.start(guardian)
    await guardian.close()
    for guest in guests:
        assert guest.gone
        assert await guest.reap() == -signal.SIGTERM
    await guardian.close()
    with pytest.raises(OperationFailed, match="closed"):
        guardian.expect("x", "y")


async def test_a_forgotten_guest_lives_on(tmp_path: Path, guardian: Guardian) -> None:
    kept, ended = Guest(tmp_path, "kept"), Guest(tmp_path, "ended")
    process = kept.start(guardian)
    ended.start(guardian)
    guardian.forget(str(kept.record))
    guardian.forget(str(kept.record))
    await guardian.close()
    await ended.reap()
    assert ended.gone
    assert not process.poll()
    assert kept.record.exists()
    process.send_signal(signal.SIGKILL)
    await kept.reap()


async def test_a_stubborn_guest_gets_three_seconds_others_do_not_wait_for_it(
    tmp_path: Path, guardian: Guardian
) -> None:
    stubborn, quiet = Guest(tmp_path, "stubborn", STUBBORN), Guest(tmp_path, "quiet")
    stubborn.start(guardian)
    quiet.start(guardian)
    began = time.monotonic()
    closing = asyncio.create_task(guardian.close())
    assert await quiet.reap() == -signal.SIGTERM
    assert time.monotonic() - began < 2
    assert await stubborn.reap() == -signal.SIGKILL
    assert 2.5 < time.monotonic() - began < 6
    await closing
    assert stubborn.gone
    assert quiet.gone


async def test_a_stopped_guest_hears_sigterm(tmp_path: Path, guardian: Guardian) -> None:
    guest = Guest(tmp_path, "stopped")
    guest.start(guardian).send_signal(signal.SIGSTOP)
    await guardian.close()
    assert await guest.reap() == -signal.SIGTERM
    assert guest.gone


async def test_a_reused_pid_is_never_signalled(tmp_path: Path, guardian: Guardian) -> None:
    innocent = spawn(SpawnRequest(["sleep", "60"]))
    guest = Guest(tmp_path, "gone")
    guest.intend()
    guardian.expect(str(guest.record), guest.marker)
    identity = innocent.identity
    wrong = ProcessIdentity(identity.pid, identity.start_time - 1, identity.boot_id)
    guardian.adopt(wrong, str(guest.record))
    await guardian.close()
    assert guest.gone
    assert not innocent.poll()
    innocent.send_signal(signal.SIGKILL)
    await innocent.wait()
    innocent.close()


async def test_another_guests_record_is_left_alone(tmp_path: Path, guardian: Guardian) -> None:
    guest = Guest(tmp_path, "name")
    guest.start(guardian)
    guest.intend(marker="a new guest of the same name")
    await guardian.close()
    await guest.reap()
    assert guest.record.exists()
    assert guest.held.exists()


async def test_a_record_stays_while_something_cannot_be_released(
    tmp_path: Path, guardian: Guardian
) -> None:
    guest, good = Guest(tmp_path, "bad"), Guest(tmp_path, "good")
    guest.start(guardian)
    good.start(guardian)
    guest.intend(resources=[{"kind": "spell", "path": "x"}])
    broken = Guest(tmp_path, "broken")
    broken.start(guardian)
    broken.record.write_text("{")
    await guardian.close()
    for ended in (guest, good, broken):
        await ended.reap()
    assert good.gone
    assert guest.record.exists()
    assert broken.record.exists()


async def test_what_a_guest_leaves_running_is_ended_too(tmp_path: Path, guardian: Guardian) -> None:
    guest = Guest(tmp_path, "parent", ["sh", "-c", "sleep 60 & echo; wait"])
    guest.start(guardian)
    await guardian.close()
    await guest.reap()
    assert guest.gone
    assert find_by_environ(MARKER, guest.marker) == []


async def test_a_killed_guardian_is_replaced(tmp_path: Path, guardian: Guardian) -> None:
    adopted, expected = Guest(tmp_path, "adopted"), Guest(tmp_path, "expected")
    adopted.start(guardian)
    expected.intend()
    guardian.expect(str(expected.record), expected.marker)
    expected.spawn()
    first = PidFd.open(ProcessIdentity.of(guardian.pid))
    first.send_signal(signal.SIGKILL)
    await first.wait()
    first.close()
    late = Guest(tmp_path, "late")
    late.start(guardian)  # before the loop has told of the end, or after
    await asyncio.sleep(0)
    await guardian.close()
    for guest in (adopted, expected, late):
        await guest.reap()
        assert guest.gone


async def test_signals_of_a_terminal_do_not_end_it(tmp_path: Path, guardian: Guardian) -> None:
    guest = Guest(tmp_path, "guest")
    process = guest.start(guardian)
    pid = guardian.pid
    assert os.getsid(pid) == pid
    await _ignoring(pid)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pid, number)
    other = Guest(tmp_path, "other")
    other.start(guardian)
    assert not process.poll()
    await guardian.close()
    assert guardian.pid == pid
    await guest.reap()
    await other.reap()
    assert guest.gone


async def _ignoring(pid: int) -> None:
    """Return when the guardian has come so far that it ignores SIGTERM; its start is not ours."""
    wanted = 1 << (signal.SIGTERM - 1)
    while not _ignored(pid) & wanted:
        await asyncio.sleep(0.005)


def _ignored(pid: int) -> int:
    return int(_status(pid, "SigIgn"), 16)


def _status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))


OWNER = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from {module} import Guest, Guardian
directory, mode = Path(sys.argv[2]), sys.argv[3]

async def main():
    guardian = Guardian.start(str(directory / "guardian.lock"))
    if mode == "forked" and os.fork() == 0:
        print(os.getpid(), flush=True)
        signal.pause()  # holds the socket open: its end never comes
    for number in range(3):
        guest = Guest(directory, f"g{{number}}")
        guest.intend()
        guardian.expect(str(guest.record), guest.marker)
        if mode == "expected-only":
            guest.spawn()
        elif mode != "intended-only":
            guardian.adopt(guest.spawn().identity, str(guest.record))
    if mode == "leave":
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.parametrize("mode", ["adopted", "expected-only", "intended-only", "leave", "forked"])
async def test_an_owner_that_goes_without_a_word(tmp_path: Path, mode: str) -> None:
    """However the owner ends, nothing is left of its guests a moment later."""
    directory = tmp_path / "root"
    directory.mkdir()
    script = OWNER.format(module=Path(__file__).stem)
    said = os.memfd_create("said")
    argv = [sys.executable, "-c", script, str(Path(__file__).parent), str(directory), mode]
    owner = spawn(SpawnRequest(argv, stdout=said, stderr=2))
    assert await owner.wait() == (0 if mode == "leave" else -signal.SIGKILL)
    owner.close()
    began = time.monotonic()
    await earlier_guardians_done(str(directory / "guardian.lock"))
    assert time.monotonic() - began < 2
    assert os.listdir(directory) == ["guardian.lock"]
    for number in range(3):
        assert find_by_environ(MARKER, f"g{number}-{directory}") == []
    if mode == "forked":
        async with asyncio.timeout(5):
            while not (line := os.pread(said, 20, 0)):  # it may have had no turn yet
                await asyncio.sleep(0.01)
        os.kill(int(line), signal.SIGKILL)
    os.close(said)


async def test_no_earlier_guardian_no_wait(tmp_path: Path) -> None:
    began = time.monotonic()
    await earlier_guardians_done(str(tmp_path / "guardian.lock"))
    assert time.monotonic() - began < 0.05


async def test_its_start_is_not_waited_for() -> None:
    """Handing the guests over costs a fork and an exec, not the start of an interpreter."""
    starts, interpreters = [], []
    for _ in range(5):
        began = time.perf_counter()
        guardian = Guardian.start()
        starts.append(time.perf_counter() - began)
        await guardian.close()
        began = time.perf_counter()
        await run([sys.executable, "-I", "-S", "-c", ""])
        interpreters.append(time.perf_counter() - began)
    assert statistics.median(starts) < statistics.median(interpreters)


async def test_it_is_small(guardian: Guardian) -> None:
    await _ignoring(guardian.pid)
    assert int(_status(guardian.pid, "RssAnon").split()[0]) < 8 * 1024
