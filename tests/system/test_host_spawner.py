# SPDX-License-Identifier: Apache-2.0
"""The spawn helper: one process for many starts, and whatever becomes of it or of its owner."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from virloom.errors import SystemFailure
from virloom.host.device_nodes import Node, PrivateDev, look_up
from virloom.host.identity import ProcessIdentity
from virloom.host.pidfd import PidFd
from virloom.host.process import Confinement, Process, SpawnRequest, start
from virloom.host.spawner import Spawner

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
SLEEP = SpawnRequest(["sleep", "60"], confinement=Confinement())


@pytest.fixture
async def spawner() -> AsyncIterator[Spawner]:
    async with Spawner() as made:
        yield made


async def ended(process: Process) -> None:
    process.send_signal(signal.SIGKILL)
    await process.wait()
    process.close()


async def output_of(spawner: Spawner, request: SpawnRequest) -> str:
    with tempfile.TemporaryFile() as file:
        process = await start(request._replace(stdout=file.fileno()), spawner)
        assert await process.wait() == 0
        process.close()
        file.seek(0)
        return file.read().decode()


async def test_many_starts_by_one_helper_are_children_of_ours(spawner: Spawner) -> None:
    processes = await asyncio.gather(*(start(SLEEP, spawner) for _ in range(5)))
    helper = spawner.pid
    processes.append(await start(SLEEP, spawner))
    assert spawner.pid == helper
    assert len({process.pid for process in processes}) == 6
    for process in processes:
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert f"PPid:\t{os.getpid()}\n" in status
        await ended(process)
        assert process.exit_code == -signal.SIGKILL


async def test_a_helper_that_was_killed_is_replaced(spawner: Spawner) -> None:
    await ended(await start(SLEEP, spawner))
    assert spawner.pid is not None
    helper = PidFd.open(ProcessIdentity.of(spawner.pid))
    helper.send_signal(signal.SIGKILL)
    await helper.wait()
    helper.close()
    await ended(await start(SLEEP, spawner))


async def test_a_helper_that_dies_over_an_order_is_replaced(spawner: Spawner) -> None:
    await ended(await start(SLEEP, spawner))
    assert spawner.pid is not None
    os.kill(spawner.pid, signal.SIGSTOP)
    starting = asyncio.create_task(start(SLEEP, spawner))
    await asyncio.sleep(0.05)
    os.kill(spawner.pid, signal.SIGKILL)
    await ended(await starting)


async def test_more_descriptors_than_one_message_takes(spawner: Spawner, tmp_path: Path) -> None:
    fds = [os.open(tmp_path, os.O_RDONLY | os.O_CLOEXEC) for _ in range(600)]
    try:
        request = SLEEP._replace(argv=["ls", "/proc/self/fd"], pass_fds=fds)
        numbers = {int(word) for word in (await output_of(spawner, request)).split()}
    finally:
        for fd in fds:
            os.close(fd)
    assert {0, 1, 2, *fds} <= numbers
    assert len(numbers) == 604  # and the listed directory


def test_a_step_loads_no_module(tmp_path: Path) -> None:
    """Each child would load it anew, for nothing of it stays in the helper."""
    (tmp_path / "tasks").write_text("")
    code = (
        "import sys; from virloom.host import spawn; before = set(sys.modules);"
        "spawn.enter_cgroups(sys.argv[1:]); spawn.set_oom_score_adj(500);"
        "spawn.drop_bounding(range(64));"
        "print(*set(sys.modules) - before)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "tasks")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.split() == []
    assert (tmp_path / "tasks").read_text() == "0"


async def test_limits_and_users_by_the_helper(spawner: Spawner) -> None:
    confined = Confinement(limits={"NOFILE": (99, 99)}, capabilities=[], no_new_privileges=True)
    script = "ulimit -n; grep -e NoNewPrivs -e CapBnd /proc/self/status"
    request = SLEEP._replace(argv=["sh", "-c", script], confinement=confined)
    if os.geteuid() == 0:
        request = request._replace(user=64123, group=64124, groups=[64124])
    else:
        request = request._replace(confinement=confined._replace(capabilities=None))
    lines = (await output_of(spawner, request)).splitlines()
    assert lines[0] == "99"
    assert "NoNewPrivs:\t1" in lines


async def test_the_memory_policy(spawner: Spawner) -> None:
    bind = 2
    confined = Confinement(memory_policy=(bind, [0]))
    request = SLEEP._replace(argv=["cat", "/proc/self/numa_maps"], confinement=confined)
    assert "bind:0" in await output_of(spawner, request)
    with pytest.raises(SystemFailure, match="memory policy"):
        await start(SLEEP._replace(confinement=Confinement(memory_policy=(bind, [63]))), spawner)


def devices() -> PrivateDev:
    null = look_up("/dev/null", (64123, 64124))
    link = Node("/dev/by-name/nothing", stat.S_IFLNK, target="../null")
    return PrivateDev([*null, link])


def mounts_of_dev() -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if " /dev" in line or " devfs " in line]


@ROOT
async def test_a_dev_of_its_own(spawner: Spawner) -> None:
    mounts = mounts_of_dev()
    confined = Confinement(private_dev=devices())
    script = "cd /dev; find . -xdev; stat -c '%u:%g %t:%T' null; echo x > by-name/nothing; "
    script += "grep ' /dev' /proc/self/mountinfo"
    request = SLEEP._replace(argv=["sh", "-c", script], confinement=confined)
    lines = (await output_of(spawner, request)).splitlines()
    assert {"./null", "./by-name/nothing", "./pts"} <= set(lines)
    assert "64123:64124 1:3" in lines
    assert "./zero" not in lines
    points = [line.split()[4] for line in lines if " - " in line]
    assert points.count("/dev") == 1
    assert points.count("/dev/pts") == 1
    assert mounts_of_dev() == mounts
    assert os.stat("/dev/null").st_uid == 0


@ROOT
async def test_nodes_come_and_go_in_a_running_process(spawner: Spawner) -> None:
    confined = Confinement(private_dev=devices())
    process = await start(SLEEP._replace(confinement=confined), spawner)
    dev = Path("/proc", str(process.pid), "root", "dev")
    zero = look_up("/dev/zero", (64123, 0))
    namespace = os.open(f"/proc/{process.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert not (dev / "zero").exists()
        await spawner.change_nodes(namespace, zero, [])
        await spawner.change_nodes(namespace, zero, [])
        assert (dev / "zero").stat().st_uid == 64123
        await spawner.change_nodes(namespace, [], ["/dev/zero", "/dev/not-there"])
        assert not (dev / "zero").exists()
    finally:
        os.close(namespace)
        await ended(process)
    assert os.stat("/dev/zero").st_uid == 0


@ROOT
async def test_nodes_of_the_host_are_never_touched(spawner: Spawner) -> None:
    process = await start(SLEEP, spawner)
    namespace = os.open(f"/proc/{process.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with pytest.raises(SystemFailure, match="device nodes"):
            await spawner.change_nodes(namespace, [], ["/dev/zero"])
    finally:
        os.close(namespace)
        await ended(process)
    assert os.path.exists("/dev/zero")


OWNER = """
import asyncio, os, sys
from virloom.host.process import Confinement, SpawnRequest, start
from virloom.host.spawner import Spawner

async def main():
    spawner = Spawner()
    await (await start(SpawnRequest(["true"], confinement=Confinement()), spawner)).wait()
    print(spawner.pid, flush=True)
    sys.stdin.readline()

asyncio.run(main())
"""


def helper_of_a_killed_owner() -> PidFd:
    argv = [sys.executable, "-c", OWNER]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        helper = PidFd.open(ProcessIdentity.of(int(owner.stdout.readline())))
        owner.kill()
    return helper


async def test_the_helper_ends_with_its_owner() -> None:
    helper = helper_of_a_killed_owner()
    async with asyncio.timeout(10):
        await helper.wait()
    helper.close()


async def test_nothing_is_left_open(spawner: Spawner) -> None:
    await ended(await start(SLEEP, spawner))
    before = sorted(os.listdir("/proc/self/fd"))
    await ended(await start(SLEEP, spawner))
    with pytest.raises(SystemFailure):
        await start(SLEEP._replace(argv=["/nowhere"]), spawner)
    assert sorted(os.listdir("/proc/self/fd")) == before
