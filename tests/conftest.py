# SPDX-License-Identifier: Apache-2.0
"""What holds for every test: nothing leaks; unit tests use neither processes nor the network."""

from __future__ import annotations

import asyncio
import gc
import inspect
import io
import os
import select
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

UNIT = Path(__file__).parent / "unit"

#: Where tests have real processes beside them, whose moments the machine chooses.
REAL = tuple(Path(__file__).parent / name for name in ("interop", "system"))

#: Seconds that a child process or a task gets to end by itself after its test.
GRACE = 2.0

settings.register_profile(
    "default", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "fuzz", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure() -> None:
    """A run in a shell's background inherits an ignored SIGINT, which tests send and await."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In CI a failed test among real processes is tried once more; the summary lists it.

    A busy machine must not cost a submission, and a developer must see the failure at once.
    """
    if os.environ.get("CI") != "true":
        return
    for item in items:
        if any(folder in item.path.parents for folder in REAL):
            item.add_marker(pytest.mark.flaky(reruns=1))


# Unit tests: no processes, no network


class _Guard:
    """Forbids while ``test`` is set; audit hooks cannot be taken back, so one stays in."""

    test: str | None = None


_PROCESS_EVENTS = frozenset(
    ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system")
)
_NETWORK_EVENTS = frozenset(("socket.getaddrinfo", "socket.gethostbyname"))


def _forbid(event: str, arguments: tuple[Any, ...]) -> None:
    if _Guard.test is None:
        return
    if event in _PROCESS_EVENTS:
        raise AssertionError(
            f"{_Guard.test} starts a process ({event}); unit tests use a fake edge,"
            " or say @pytest.mark.processes"
        )
    to_network = event in ("socket.connect", "socket.bind") and isinstance(arguments[1], tuple)
    if to_network or event in _NETWORK_EVENTS:
        raise AssertionError(f"{_Guard.test} uses the network ({event}: {arguments[1:]})")


sys.addaudithook(_forbid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Puts the guard up around the body of a unit test."""
    if UNIT in item.path.parents and item.get_closest_marker("processes") is None:
        _Guard.test = item.nodeid
    try:
        return (yield)
    except pytest.fail.Exception:
        item.add_report_section("call", "tasks", _stacks(item.stash.get(_LOOP, None)))
        raise
    finally:
        _Guard.test = None


_LOOP = pytest.StashKey[asyncio.AbstractEventLoop]()


def _stacks(loop: asyncio.AbstractEventLoop | None) -> str:
    """Where the tasks of a test stand that has hung: pytest-timeout fails it out of the loop."""
    out = io.StringIO()
    for task in asyncio.all_tasks(loop) if loop is not None else ():
        task.print_stack(file=out)
    return out.getvalue()


# Nothing leaks

_SNAPSHOT = pytest.StashKey[dict[int, str]]()


def _open_descriptors() -> dict[int, str]:
    """Descriptor → what it refers to; without 0 to 2, which pytest's capture redirects."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        if int(name) <= 2:
            continue
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:  # the one that listed the directory
            continue
    return found


def _new_descriptors(before: dict[int, str]) -> dict[int, str]:
    now = _open_descriptors()
    return {fd: target for fd, target in now.items() if before.get(fd) != target}


def _children() -> set[int]:
    """The child processes of this one, ended and not waited for ones too."""
    found: set[int] = set()
    for task in os.listdir("/proc/self/task"):
        try:
            found.update(map(int, Path(f"/proc/self/task/{task}/children").read_text().split()))
        except FileNotFoundError:  # a thread that has ended
            continue
    return found


def _command_of(pid: int) -> str:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        command = ""
    return command[:200] or "ended, never waited for"


def _await_end(pids: set[int]) -> None:
    """Gives the processes their time to end."""
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            select.select([fd], [], [], GRACE)
        finally:
            os.close(fd)


def _users_of(directory: str) -> set[int]:
    """The processes that name *directory* among their arguments or in their environment.

    Guests get their files as descriptors, but their home is in the root directory.
    """
    needle, me = directory.encode(), os.getpid()
    found = set()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != me:
            try:
                told = [
                    Path(f"/proc/{name}/{file}").read_bytes() for file in ("cmdline", "environ")
                ]
            except OSError:  # it has ended meanwhile, or is somebody else's
                continue
            if any(needle in text for text in told):
                found.add(int(name))
    return found


def _end(pid: int) -> None:
    """Kills and reaps what a test left, so that later tests do not meet it."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):  # gone by now, or not ours to wait for
        return


def _leaked_processes(before: set[int], directory: str | None) -> list[str]:
    suspects = (_children() - before) | (_users_of(directory) if directory else set())
    _await_end(suspects)
    left = (_children() - before) | (_users_of(directory) if directory else set())
    found = [f"process {pid} ({_command_of(pid)})" for pid in sorted(left & suspects)]
    for pid in left & suspects:
        _end(pid)
    return found


_CHILDREN = pytest.StashKey[set[int]]()


@pytest.fixture(autouse=True)
def _watch_for_leaks(request: pytest.FixtureRequest) -> None:
    """Remembers what is open before the test; the wider fixtures of it are set up already."""
    request.node.stash[_CHILDREN] = _children()
    request.node.stash[_SNAPSHOT] = _open_descriptors()
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_watch_tasks")


@pytest.fixture
async def _watch_tasks(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Fails a test whose tasks outlive it."""
    request.node.stash[_LOOP] = asyncio.get_running_loop()
    mine = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - mine - {asyncio.current_task()}
    if left:
        await asyncio.wait(left, timeout=GRACE)
    names = [repr(task) for task in left if not task.done()]
    assert not names, f"tasks outlive the test: {names}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fails a test that leaves descriptors or processes behind once its fixtures are gone."""
    paths: dict[str, Any] = getattr(item, "funcargs", None) or {}
    directory = str(paths["tmp_path"]) if "tmp_path" in paths and _is_system(item) else None
    result = yield
    if _SNAPSHOT in item.stash:
        problems = _leaked_processes(item.stash[_CHILDREN], directory)
        problems += _leaked_descriptors(item.stash[_SNAPSHOT])
        if problems:
            pytest.fail("the test leaves behind: " + "; ".join(problems), pytrace=False)
    return result


def _leaked_descriptors(before: dict[int, str]) -> list[str]:
    left = _new_descriptors(before)
    if left:
        gc.collect()  # what only waits for the collector is a ResourceWarning, not a leak
        left = {fd: target for fd, target in _new_descriptors(before).items() if fd in left}
    return [f"descriptor {fd} ({target})" for fd, target in sorted(left.items())]


def _is_system(item: pytest.Item) -> bool:
    return "system" in item.path.parts
