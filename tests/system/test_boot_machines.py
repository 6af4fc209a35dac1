# SPDX-License-Identifier: Apache-2.0
"""Tiny guests on each machine: they boot, answer on their console, and end as they are told."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from virloom.client.connection import Connection
from virloom.enums.domain import DomainEventType, DomainState

MACHINES = ["q35", "pc", "microvm"]

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("machine", MACHINES)
async def test_a_guest_boots_answers_and_powers_off(
    machine: str, boot: Any, lifecycle: Any
) -> None:
    guest = await boot("talker", machine=machine)
    assert len(guest.boot_id) == 36
    assert await guest.dialogue.ask("echo $((6 * 7))") == "42\n"
    state = await guest.domain.state()
    assert state.state == DomainState.RUNNING
    await guest.domain.shutdown()
    assert await lifecycle.until(DomainEventType.STOPPED) == [
        "STARTED BOOTED",
        "SUSPENDED PAUSED",
        "RESUMED UNPAUSED",
        "SHUTDOWN GUEST",
        "STOPPED SHUTDOWN",
    ]


@pytest.mark.parametrize("machine", MACHINES)
async def test_a_running_guest_is_destroyed(
    machine: str, boot: Any, lifecycle: Any, conn: Connection
) -> None:
    guest = await boot("victim", machine=machine)
    await guest.domain.destroy()
    assert (await lifecycle.until(DomainEventType.STOPPED))[-1] == "STOPPED DESTROYED"
    assert await conn.list_all_domains() == []


async def test_a_guest_powers_itself_off(boot: Any, lifecycle: Any) -> None:
    guest = await boot("selfish", machine="q35")
    await guest.dialogue.tell("poweroff -f")
    assert (await lifecycle.until(DomainEventType.STOPPED))[-2:] == [
        "SHUTDOWN GUEST",
        "STOPPED SHUTDOWN",
    ]


@pytest.mark.long
async def test_a_reset_boots_anew(boot: Any) -> None:
    guest = await boot("phoenix", machine="microvm")
    await guest.domain.reset()
    assert await guest.dialogue.ready() != guest.boot_id


async def test_suspend_stops_the_guest_s_time(boot: Any, lifecycle: Any) -> None:
    guest = await boot("sleeper", machine="q35")
    await guest.domain.suspend()
    assert (await guest.domain.state()).state == DomainState.PAUSED
    await guest.dialogue.tell("echo a''wake")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await guest.dialogue.expect(b"awake", 10)
    await guest.domain.resume()
    await guest.dialogue.expect(b"awake")


async def test_a_guest_sees_its_devices(boot: Any, tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(bytes(8 << 20))
    owner = (disk.stat().st_uid, disk.stat().st_gid)
    guest = await boot("owner", disks=[disk], network=True, memory_mib=160, vcpus=2)
    sectors = await guest.dialogue.ask("cat /sys/block/vda/size")
    assert int(sectors) * 512 == 8 << 20
    assert "eth0" in await guest.dialogue.ask("ls /sys/class/net")
    assert (await guest.dialogue.ask("nproc")) == "2\n"
    memory = await guest.dialogue.ask("grep MemTotal /proc/meminfo")
    assert 100_000 < int(memory.split()[1]) < 160 << 10
    await guest.dialogue.ask("echo written > /dev/vda; sync")
    await guest.domain.destroy()
    assert disk.read_bytes()[:8] == b"written\n"
    assert (disk.stat().st_uid, disk.stat().st_gid) == owner


ORDINARY = """
import asyncio, os, sys, virloom
from virloom.testing.dialogue import Dialogue
from virloom.testing.documents import tiny_guest_xml

async def main():
    assert os.geteuid() != 0
    root = os.path.join(os.environ.get("TMPDIR", "/tmp"), "root" + sys.argv[1])
    async with virloom.open(f"qemu:///embed?root={root}") as conn:
        async with conn.lifecycle_events() as events:
            document = tiny_guest_xml("ordinary", machine=sys.argv[1])
            domain = await conn.create_xml(document, 1 | 2)
            async with domain.console() as console:
                await domain.resume()
                dialogue = Dialogue(console)
                await dialogue.ready()
                print("user", (await dialogue.ask("echo $((6*7))")).strip())
                await domain.shutdown()
                async for event in events:
                    print(event.event.name)
                    if event.event.name == "STOPPED":
                        break

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "machine",
    [pytest.param("pc", marks=pytest.mark.long), pytest.param("q35", marks=pytest.mark.long),
     "microvm"],
)  # fmt: skip
def test_an_ordinary_user_boots_guests(
    machine: str, ordinary_user: Callable[[Sequence[str]], list[str]]
) -> None:
    done = subprocess.run(
        ordinary_user(["-c", ORDINARY, machine]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    events = ["STARTED", "SUSPENDED", "RESUMED", "SHUTDOWN", "STOPPED"]
    assert done.stdout.split() == ["user", "42", *events]
