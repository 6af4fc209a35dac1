# SPDX-License-Identifier: Apache-2.0
"""A guest outlives its owner, unless it was bound to it, and the next owner takes it over."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import virloom
from tests.fakes.impatient import impatient
from tests.system.test_events import Heard
from virloom.enums.domain import DomainCreateFlags, DomainState
from virloom.errors import OperationFailed
from virloom.host.files import Directory
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

OWNER = Path(__file__).parents[1] / "fakes" / "owner.py"

#: Guests of the large case; ``VIRLOOM_TAKEOVER=10`` for the figure in the docs.
GUESTS = int(os.environ.get("VIRLOOM_TAKEOVER", "4"))

#: What the owner of the large case is: it boots guests, tells their boot ids, and dies.
BOOTER = """
import asyncio, os, re, sys
import virloom
from virloom.testing.documents import tiny_guest_xml
from virloom.testing.guest import READY_PATTERN

async def boot(conn, name):
    flags = 1 | (2 if name.startswith("auto") else 0)
    dom = await conn.create_xml(tiny_guest_xml(name, machine="microvm"), flags)
    async with dom.console() as console:
        await dom.resume()
        seen = b""
        while not (found := READY_PATTERN.search(seen)):
            seen += await console.read()
    print(name, found.group(1).decode(), flush=True)

async def main():
    conn = await virloom.open(f"qemu:///embed?root={sys.argv[1]}")
    await asyncio.gather(*(boot(conn, name) for name in sys.argv[2:]))
    os.kill(os.getpid(), 9)

asyncio.run(main())
"""


@pytest.fixture
async def root(tmp_path: Path) -> AsyncIterator[Path]:
    """A root whose guests are gone after the test."""
    path = tmp_path / "root"
    yield path
    async with virloom.open(f"qemu:///embed?root={path}") as conn:
        for dom in await conn.list_all_domains(1):
            await dom.destroy()


def _pids(root: Path) -> dict[str, int]:
    """Name of the guest → pid, by the process's title."""
    found = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            command = (directory / "cmdline").read_bytes()
            environment = (directory / "environ").read_bytes()
        except OSError:
            continue
        match = re.search(rb"-name\0guest=([\w-]+)", command)
        if match and str(root).encode() in environment:
            found[match.group(1).decode()] = int(directory.name)
    return found


async def _boot_id(dom: virloom.Domain) -> str:
    """The running guest's own word for it, over its console."""
    async with dom.console() as console:
        await console.write(b"cat /proc/sys/kernel/random/boot_id\n")
        seen = b""
        async with asyncio.timeout(20):
            while not (found := re.search(rb"\n([0-9a-f-]{36})\r", seen)):
                seen += await console.read()
    return found.group(1).decode()


async def test_guests_of_a_killed_owner(root: Path) -> None:
    names = [f"free{n}" for n in range(GUESTS // 2)] + [f"auto{n}" for n in range(GUESTS // 2)]
    owner = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", BOOTER, str(root), *names],
        capture_output=True,
        text=True,
        timeout=100,
    )
    killed = time.monotonic()
    assert owner.returncode == -signal.SIGKILL, owner.stderr
    booted = dict(line.split() for line in owner.stdout.splitlines())
    assert sorted(booted) == sorted(names)
    while any(name.startswith("auto") for name in _pids(root)):
        assert time.monotonic() - killed < 1.0, _pids(root)
        await asyncio.sleep(0.01)
    async with virloom.open(f"qemu:///embed?root={root}") as conn:
        guests = await conn.list_all_domains(1)
        assert sorted(dom.name for dom in guests) == sorted(n for n in names if n[0] == "f")
        for dom in guests:
            assert await _boot_id(dom) == booted[dom.name]
        stats = await conn.all_domain_stats()
        assert len(stats) == len(guests)
        for dom in guests:
            await dom.destroy()
    assert list((root / "run" / "qemu").glob("*.json")) == []
    assert [p.name for p in (root / "lib" / "qemu").iterdir() if p.name != "owners"] == []


async def _orphan(root: Path, tmp_path: Path, *, persistent: bool = False) -> int:
    """Leaves a paused guest ``web`` without an owner; returns its pid."""
    document = tmp_path / "web.xml"
    document.write_text(paused_guest_xml("web"))
    if persistent:
        async with virloom.open(f"qemu:///embed?root={root}") as conn:
            dom = await conn.define_xml(document.read_text())
            document.write_text(await dom.xml_desc())
    command = [sys.executable, str(OWNER), str(root), "running", str(document)]
    done = await asyncio.to_thread(subprocess.run, command, timeout=60)
    assert done.returncode == -signal.SIGKILL
    return _pids(root)["web"]


async def test_the_end_of_a_guest_that_nobody_saw_is_told(root: Path, tmp_path: Path) -> None:
    pid = await _orphan(root, tmp_path, persistent=True)
    os.kill(pid, signal.SIGKILL)
    async with virloom.open(f"qemu:///embed?root={root}") as conn:
        async with asyncio.timeout(5):
            async for event in conn.lifecycle_events():
                assert event.event.name == "STOPPED"
                break
        dom = await conn.lookup_by_name("web")
        assert (await dom.state()).state == DomainState.SHUTOFF
        await dom.undefine()


async def test_a_change_that_nobody_saw_is_told(root: Path, tmp_path: Path) -> None:
    pid = await _orphan(root, tmp_path)
    with Directory(next((root / "lib" / "qemu").glob("domain-*"))) as directory:
        connection = directory.connect_unix("monitor.sock")
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    writer.write(b'{"execute":"qmp_capabilities"}{"execute":"cont","id":"c"}')
    while b'"id": "c"' not in await reader.readline():
        pass
    writer.close()
    await writer.wait_closed()
    async with virloom.open(f"qemu:///embed?root={root}") as conn:
        async with asyncio.timeout(5):
            async for event in conn.lifecycle_events():
                assert event.event.name == "RESUMED"
                break
        dom = await conn.lookup_by_name("web")
        assert (await dom.state()).state == DomainState.RUNNING
        assert _pids(root)["web"] == pid


async def test_a_guest_that_does_not_answer_is_kept_and_can_be_destroyed(
    root: Path, tmp_path: Path
) -> None:
    pid = await _orphan(root, tmp_path)
    os.kill(pid, signal.SIGSTOP)
    async with impatient(root) as conn:
        async with asyncio.timeout(5), Heard(conn) as heard:
            await heard.until(virloom.ControlErrorEvent)
        dom = await conn.lookup_by_name("web")
        assert (await dom.state()).state == DomainState.PAUSED
        assert "<name>web</name>" in await dom.xml_desc()
        with pytest.raises(OperationFailed, match="monitor"):
            await dom.resume()
        await dom.destroy()
    assert "web" not in _pids(root)


async def test_the_second_opener_is_told_the_pid_of_the_first(root: Path) -> None:
    program = (
        "import asyncio, sys, virloom\n"
        "async def main():\n"
        "    async with virloom.open(sys.argv[1]): pass\n"
        "asyncio.run(main())\n"
    )
    uri = f"qemu:///embed?root={root}"
    async with virloom.open(uri) as first, virloom.open(uri) as again:
        assert await first.list_all_domains() == await again.list_all_domains() == []
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", program, uri],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode != 0
        assert f"process {os.getpid()}" in done.stderr


async def test_numbers_and_names_stay_over_a_take_over(root: Path, tmp_path: Path) -> None:
    document = tmp_path / "web.xml"
    disk = tmp_path / "disk.raw"
    disk.touch()
    os.truncate(disk, 1 << 20)
    document.write_text(tiny_guest_xml("web", disks=[disk], network=True))
    program = (
        "import asyncio, os, sys, virloom\n"
        "async def main():\n"
        "    conn = await virloom.open(sys.argv[1])\n"
        "    dom = await conn.create_xml(open(sys.argv[2]).read(), 1)\n"
        "    print(await dom.xml_desc(), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    uri = f"qemu:///embed?root={root}"
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program, uri, str(document)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    async with virloom.open(uri) as conn:
        dom = await conn.lookup_by_name("web")
        assert (await dom.xml_desc()).strip() == done.stdout.strip()
        new = await conn.create_xml(paused_guest_xml("db"), DomainCreateFlags.START_PAUSED)
        assert new.id != dom.id
