# SPDX-License-Identifier: Apache-2.0
"""Modules that are imported when a domain is defined or started, and not before."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from virloom.drivers.qemu import later
from virloom.errors import InternalError

_OPEN_AND_LIST = """
import asyncio, sys
import virloom
from virloom.drivers.qemu import later

async def main():
    async with virloom.open(sys.argv[1]) as conn:
        assert await conn.list_all_domains() == []
    assert not later.loaded(), [name for name in later.MODULES if name in sys.modules]

asyncio.run(main())
"""


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, ...]]:
    """Some that nobody has imported."""
    names = ("colorsys", "sched", "stringprep")
    former = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    monkeypatch.setattr("virloom.drivers.qemu.later.MODULES", names)
    yield names
    sys.modules.update(former)


@pytest.mark.processes
def test_who_lists_a_root_does_without(tmp_path: Path) -> None:
    uri = f"qemu:///embed?root={tmp_path}/root"
    command = [sys.executable, "-c", _OPEN_AND_LIST, uri]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


async def test_work_goes_on_between_imports(modules: tuple[str, ...]) -> None:
    seen = []

    async def work() -> None:
        while not later.loaded():
            seen.append(sum(name in sys.modules for name in modules))
            await asyncio.sleep(0)

    assert not later.loaded()
    await later.load_meanwhile(work())
    assert later.loaded()
    assert set(seen) == {0, 1, 2}


async def test_what_work_raises_is_raised(modules: tuple[str, ...]) -> None:
    async def work() -> None:
        raise InternalError("no QEMU")

    with pytest.raises(InternalError, match="no QEMU"):
        await later.load_meanwhile(work())


async def test_work_is_cancelled_with_its_caller(modules: tuple[str, ...]) -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task = asyncio.create_task(later.load_meanwhile(work()))
    async with asyncio.timeout(10):
        while not later.loaded():
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()
