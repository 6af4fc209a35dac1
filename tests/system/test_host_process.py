# SPDX-License-Identifier: Apache-2.0
"""Processes: started, watched, reaped exactly once."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from virloom.errors import InternalError, OperationTimeout, SystemFailure
from virloom.host.identity import ProcessIdentity, find_by_environ, processes_with_environ
from virloom.host.lock import LockHeld, RootLock, holders, is_live, take_liveness
from virloom.host.pidfd import PidFd
from virloom.host.process import Confinement, SpawnRequest, run, spawn, start
from virloom.testing.subreaper import child_subreaper

PLAIN = SpawnRequest(["sleep", "60"])
CONFINED = PLAIN._replace(confinement=Confinement())
BOTH_WAYS = pytest.mark.parametrize("base", [PLAIN, CONFINED], ids=["plain", "confined"])
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


async def output_of(request: SpawnRequest) -> str:
    """What a request's program writes to its standard output."""
    memory = os.memfd_create("output")
    try:
        process = await start(request._replace(stdout=memory))
        assert await process.wait() == 0
        process.close()
        return os.pread(memory, 1 << 20, 0).decode()
    finally:
        os.close(memory)


def waited_for(pid: int) -> bool:
    """Whether nobody can wait for this child of ours (-1: for any) any more."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def steal(pid: int) -> None:
    """Reap a child as an application would that waits for all of its own."""
    os.waitpid(pid, 0)


def run_by_subprocess(*argv: str) -> None:
    subprocess.run(argv, check=True)


async def status_of(request: SpawnRequest) -> dict[str, str]:
    """/proc/self/status of a process started by *request*."""
    text = await output_of(request._replace(argv=["cat", "/proc/self/status"]))
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs}


@BOTH_WAYS
async def test_the_exit_code(base: SpawnRequest) -> None:
    process = await start(base._replace(argv=["sh", "-c", "exit 7"]))
    assert await process.wait() == 7
    assert await process.wait() == 7
    process.close()


@BOTH_WAYS
async def test_a_signal_is_its_negative_number(base: SpawnRequest) -> None:
    process = await start(base)
    assert process.send_signal(signal.SIGTERM)
    assert await process.wait() == -signal.SIGTERM
    assert not process.send_signal(signal.SIGTERM)
    process.close()


async def test_it_is_reaped_once_and_by_nobody_else() -> None:
    process = spawn(PLAIN)
    ended: list[int | None] = []
    process.on_exit(ended.append)
    process.on_exit(ended.append)
    cancel = process.on_exit(ended.append)
    cancel()
    process.send_signal(signal.SIGKILL)
    await process.wait()
    await asyncio.sleep(0.01)  # it may have ended before it was looked at: told in a later round
    assert ended == [-9, -9]
    assert waited_for(process.pid)
    run_by_subprocess("true")  # reaps what subprocess believes to be its own
    process.close()


async def test_a_child_that_somebody_else_reaped_has_ended_unknown() -> None:
    process = spawn(PLAIN._replace(argv=["true"]))
    await process.pidfd.wait()
    steal(process.pid)
    assert await process.wait() is None
    assert process.ended
    process.close()


@BOTH_WAYS
async def test_a_missing_program_is_named(base: SpawnRequest) -> None:
    with pytest.raises(SystemFailure, match="'/nowhere/qemu': No such file") as failure:
        await start(base._replace(argv=["/nowhere/qemu", "-S"]))
    assert failure.value.int1 == errno.ENOENT


@BOTH_WAYS
async def test_a_file_that_cannot_be_executed_is_named(base: SpawnRequest, tmp_path: Path) -> None:
    (tmp_path / "qemu").write_text("")
    with pytest.raises(SystemFailure, match="qemu': Permission denied"):
        await start(base._replace(argv=[str(tmp_path / "qemu")]))


@BOTH_WAYS
async def test_a_missing_working_directory_is_named(base: SpawnRequest) -> None:
    with pytest.raises(SystemFailure, match="/nowhere"):
        await start(base._replace(cwd="/nowhere"))


@pytest.mark.parametrize(
    ("confinement", "said"),
    [
        (Confinement(limits={"NONSENSE": (1, 1)}), "limits"),
        (Confinement(affinity=[4000]), "affinity"),
    ],
)
async def test_a_step_that_fails_is_named(confinement: Confinement, said: str) -> None:
    with pytest.raises(SystemFailure, match=said):
        await start(PLAIN._replace(confinement=confinement))
    with pytest.raises(SystemFailure, match=said):
        spawn(PLAIN._replace(confinement=confinement))


async def test_a_control_group_that_is_not_there_is_named() -> None:
    confined = PLAIN._replace(cgroups=["/nowhere/tasks"], confinement=Confinement(nice=1))
    with pytest.raises(SystemFailure, match=r"cgroups .*/nowhere/tasks"):
        await start(confined)


@BOTH_WAYS
async def test_only_passed_descriptors_arrive_under_their_numbers(
    base: SpawnRequest, tmp_path: Path
) -> None:
    passed = os.open(tmp_path / "passed", os.O_CREAT | os.O_RDWR)
    kept = os.open(tmp_path / "kept", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(kept, True)
    request = base._replace(argv=["ls", "/proc/self/fd"], pass_fds=[passed])
    numbers = {int(number) for number in (await output_of(request)).split()}
    os.close(passed)
    os.close(kept)
    assert {0, 1, 2, passed} <= numbers
    assert kept not in numbers
    assert len(numbers) == 5  # and the listed directory


@BOTH_WAYS
async def test_session_umask_environment_and_directory(base: SpawnRequest, tmp_path: Path) -> None:
    script = 'umask; pwd; echo "$VIRLOOM_TEST" "${HOME-unset}"; cat /proc/self/stat; echo $$'
    request = base._replace(
        argv=["sh", "-c", script],
        umask=0o027,
        cwd=str(tmp_path),
        env={"VIRLOOM_TEST": "here", "PATH": os.environ["PATH"]},
    )
    umask, directory, variables, stat, pid = (await output_of(request)).splitlines()
    assert (umask, directory, variables) == ("0027", str(tmp_path), "here unset")
    assert stat.rpartition(")")[2].split()[3] == pid  # leader of its own session


@BOTH_WAYS
async def test_no_blocked_signal_is_inherited(base: SpawnRequest) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        assert int((await status_of(base))["SigBlk"], 16) == 0
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@ROOT
@BOTH_WAYS
async def test_another_user(base: SpawnRequest) -> None:
    status = await status_of(base._replace(user=64123, group=64124, groups=[64124, 64125]))
    assert status["Uid"].split() == ["64123"] * 4
    assert status["Gid"].split() == ["64124"] * 4
    assert status["Groups"].split() == ["64124", "64125"]
    assert int(status["CapPrm"], 16) == 0


async def test_limits_affinity_and_privileges() -> None:
    confinement = Confinement(
        limits={"NOFILE": (99, 100), "CORE": (0, 0)},
        affinity=[min(os.sched_getaffinity(0))],
        no_new_privileges=True,
        oom_score_adj=777,
        nice=7,
    )
    request = PLAIN._replace(confinement=confinement)
    status = await status_of(request)
    assert status["NoNewPrivs"] == "1"
    assert status["Cpus_allowed_list"] == str(
        confinement.affinity[0] if confinement.affinity else ""
    )
    script = "ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj; nice"
    answer = await output_of(request._replace(argv=["bash", "-c", script]))
    assert answer.split() == ["99", "100", "0", "777", "7"]


@ROOT
async def test_capabilities_are_dropped_but_for_those_kept() -> None:
    net_bind_service, net_admin = 10, 12
    confinement = Confinement(capabilities=[net_bind_service, net_admin])
    request = PLAIN._replace(user=64123, group=64124, groups=[], confinement=confinement)
    status = await status_of(request)
    wanted = 1 << net_bind_service | 1 << net_admin
    assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {wanted}
    none = await status_of(PLAIN._replace(confinement=Confinement(capabilities=[])))
    assert {int(none[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapInh")} == {0}


async def test_the_confined_program_is_the_helper_itself() -> None:
    process = await start(CONFINED)
    assert process.identity.matches()
    assert os.readlink(f"/proc/{process.pid}/exe").endswith("sleep")
    process.send_signal(signal.SIGKILL)
    await process.wait()
    process.close()


async def test_a_start_that_is_cancelled_leaves_no_process() -> None:
    task = asyncio.create_task(start(CONFINED))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waited_for(-1)


async def test_the_end_of_a_process_that_is_no_child() -> None:
    script = "sleep 60 >/dev/null 2>&1 & echo $!"
    orphan = int((await run(["sh", "-c", script])).stdout)
    pidfd = PidFd.open(ProcessIdentity.of(orphan))
    waiter = asyncio.create_task(pidfd.wait())
    await asyncio.sleep(0)
    assert not waiter.done()
    assert not pidfd.has_exited()
    assert pidfd.send_signal(signal.SIGKILL)
    await waiter
    assert pidfd.has_exited()
    with pytest.raises(ChildProcessError):
        pidfd.reap()
    pidfd.close()


async def test_orphans_stay_children_under_a_subreaper() -> None:
    with child_subreaper():
        script = "sleep 60 >/dev/null 2>&1 & echo $!"
        orphan = int((await run(["sh", "-c", script])).stdout)
        pidfd = PidFd.open(ProcessIdentity.of(orphan))
        pidfd.send_signal(signal.SIGKILL)
        await pidfd.wait()
        assert pidfd.reap() == -9
        pidfd.close()


async def test_processes_are_found_by_their_environment(tmp_path: Path) -> None:
    marker = str(tmp_path)
    reader, writer = os.pipe()
    environment = {"VIRLOOM_TEST_MARKER": marker, "PATH": os.environ["PATH"]}
    argv = ["sh", "-c", "echo; exec sleep 60"]
    process = spawn(PLAIN._replace(argv=argv, env=environment, stdout=writer))
    os.close(writer)
    assert os.read(reader, 1)  # in the middle of exec a process shows no environment at all
    os.close(reader)
    assert find_by_environ("VIRLOOM_TEST_MARKER", marker) == [process.identity]
    assert find_by_environ("VIRLOOM_TEST_MARKER", marker + "x") == []
    assert (process.identity, {"VIRLOOM_TEST_MARKER": marker}) in processes_with_environ(
        "VIRLOOM_TEST_M"
    )
    process.send_signal(signal.SIGKILL)
    await process.wait()
    process.close()


async def test_liveness_lives_with_the_last_of_the_processes(tmp_path: Path) -> None:
    path = str(tmp_path / "guest.live")
    fd = take_liveness(path)
    reader, writer = os.pipe()
    script = ["sh", "-c", "sleep 60 & echo; sleep 60"]
    process = spawn(PLAIN._replace(argv=script, stdout=writer, pass_fds=[fd]))
    for descriptor in (fd, writer):
        os.close(descriptor)
    assert os.read(reader, 1)  # its first child is there
    os.close(reader)
    assert is_live(path)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    process.close()
    assert is_live(path)  # children of it still hold it
    while found := holders(path):
        for identity in found:
            pidfd = PidFd.open(identity)
            pidfd.send_signal(signal.SIGKILL)
            await pidfd.wait()
            pidfd.close()
    assert not is_live(path)


def test_the_holder_of_a_root_is_named(tmp_path: Path) -> None:
    script = (
        "import sys; from virloom.host.lock import RootLock; "
        "lock = RootLock.acquire(sys.argv[1]); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(LockHeld) as held:
            RootLock.acquire(tmp_path)
        assert held.value.pid == other.pid
        other.kill()
    RootLock.acquire(tmp_path).release()


async def test_a_program_with_input_and_both_outputs() -> None:
    completed = await run(["sh", "-c", "cat; echo words >&2; exit 3"], input=b"x" * 1_000_000)
    assert completed.returncode == 3
    assert completed.stdout == b"x" * 1_000_000
    assert completed.stderr == b"words\n"
    assert completed.argv[0] == "sh"


async def test_a_program_that_takes_too_long_is_killed_with_its_children() -> None:
    began = time.monotonic()
    with pytest.raises(OperationTimeout, match=r"'sh' did not end within 0\.2 seconds"):
        await run(["sh", "-c", "sleep 60; sleep 60"], timeout=0.2)
    assert time.monotonic() - began < 5


async def test_a_program_that_writes_too_much_is_killed() -> None:
    with pytest.raises(InternalError, match="'yes' wrote more than 100000 bytes"):
        await run(["yes"], limit=100_000)


async def test_a_background_process_is_not_waited_for() -> None:
    completed = await run(["sh", "-c", "sleep 1 & echo done"], timeout=10)
    assert completed.stdout == b"done\n"


async def test_a_cancelled_program_is_killed_and_reaped() -> None:
    task = asyncio.create_task(run(["sleep", "60"]))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waited_for(-1)


async def test_a_missing_helper_program() -> None:
    with pytest.raises(SystemFailure, match="'no-such-program'"):
        await run(["no-such-program"])


@contextmanager
def descriptors(limit: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("call", [lambda: run(["true"], input=b"x"), lambda: start(CONFINED)])
async def test_running_out_of_descriptors_leaves_nothing(call: Callable[[], object]) -> None:
    """At each number of free descriptors it works, or fails without leaving any open."""
    used = max(int(name) for name in os.listdir("/proc/self/fd"))
    for limit in range(used + 1, used + 12):
        before = sorted(os.listdir("/proc/self/fd"))
        ended = None
        with descriptors(limit):
            try:
                ended = await call()  # type: ignore[misc]  # either of two coroutine functions
            except (SystemFailure, OSError):
                ended = None
        if hasattr(ended, "send_signal"):
            ended.send_signal(signal.SIGKILL)
            await ended.wait()
            ended.close()
        assert sorted(os.listdir("/proc/self/fd")) == before


async def test_a_plain_start_is_cheap() -> None:
    times = []
    for _ in range(20):
        began = time.perf_counter()
        process = await start(PLAIN._replace(argv=["true"]))
        times.append(time.perf_counter() - began)
        await process.wait()
        process.close()
    median = statistics.median(times)
    assert median < 0.05, times  # 1 ms on an idle machine; tests share theirs
