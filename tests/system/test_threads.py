# SPDX-License-Identifier: Apache-2.0
"""Pins, and threads for input and output of guests that run; both outlive the daemon."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import virloom
from tests.system.conftest import PausedGuest, embedded
from tests.system.test_events import Heard
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.client.domain.events import TunableEvent
from virloom.enums.domain import DomainModificationImpact, DomainStatsTypes
from virloom.errors import ConfigUnsupported, InvalidArg, SystemFailure
from virloom.testing.documents import paused_guest_xml

pytestmark = pytest.mark.timeout(60)

LIVE = DomainModificationImpact.LIVE


async def iothreads(dom: Domain) -> dict[str, int]:
    """Thread by id, as QEMU has them."""
    told = json.loads(await dom.monitor_command('{"execute":"query-iothreads"}'))
    return {one["id"]: one["thread-id"] for one in told["return"]}


def process_of(thread: int) -> int:
    """The process of a thread (proc(5), ``Tgid``)."""
    found = re.search(r"Tgid:\s*(\d+)", Path(f"/proc/{thread}/status").read_text())
    assert found is not None
    return int(found[1])


async def test_threads_are_where_they_were_put(conn: Connection, paused: PausedGuest) -> None:
    dom = await paused("web", vcpus=2)
    everywhere = os.sched_getaffinity(0)
    async with Heard(conn) as heard:
        await dom.cpu.pin(1, [0], LIVE)
        await heard.until(TunableEvent, params={"cputune.vcpupin1": "0"})
    assert [vcpu.affinity for vcpu in await dom.cpu.vcpus()] == [everywhere, {0}]
    await dom.cpu.add_io_thread(7, LIVE)
    await dom.cpu.pin_emulator([0], LIVE)
    await dom.cpu.add_io_thread(3, LIVE)  # made by a thread that is kept to one CPU
    found = await iothreads(dom)
    assert [os.sched_getaffinity(found[f"iothread{n}"]) for n in (7, 3)] == [everywhere] * 2
    assert [vcpu.affinity for vcpu in await dom.cpu.vcpus()] == [everywhere, {0}]
    await dom.cpu.pin_io_thread(3, [0], LIVE)
    assert os.sched_getaffinity(found["iothread3"]) == {0}
    assert os.sched_getaffinity(process_of(found["iothread3"])) == {0}
    with pytest.raises(SystemFailure, match="vCPU 0"):
        await dom.cpu.pin(0, [4095], LIVE)  # no host that runs this has so many
    assert "vcpu='0'" not in await dom.xml_desc()


async def test_how_threads_work_is_changed(conn: Connection, paused: PausedGuest) -> None:
    dom = await paused("web")
    await dom.cpu.add_io_thread(1, LIVE)
    for low, high in ((4, 8), (1, 2), (10, 20)):  # each order in which QEMU can take them
        values = {"thread_pool_min": low, "thread_pool_max": high, "poll_grow": high}
        await dom.cpu.set_io_thread_parameters(1, values, LIVE)
        said = f"<iothread id='1' thread_pool_min='{low}' thread_pool_max='{high}'/>"
        assert said in await dom.xml_desc()
    stats = (await conn.all_domain_stats(DomainStatsTypes.IOTHREAD))[0].values
    assert (stats["iothread.count"], stats["iothread.1.poll-grow"]) == (1, 20)
    with pytest.raises(ConfigUnsupported):
        await dom.cpu.set_io_thread_parameters(1, {"poll_grow": 1 << 31}, LIVE)


_OWNER = """
import asyncio, os, sys, virloom
from virloom.drivers.qemu.process.steps import observed
seen = []
def die_at(step):
    seen.append(step)
    if [step, seen.count(step)] == [sys.argv[3], int(sys.argv[4])]:
        os.kill(os.getpid(), 9)
async def main():
    conn = await virloom.open(sys.argv[1])
    dom = await conn.create_xml(sys.argv[2], 1)
    await dom.cpu.add_io_thread(3, 1)
    await dom.cpu.del_io_thread(1, 1)
with observed(die_at):
    asyncio.run(main())
"""
TUNED = "<iothreads>1</iothreads><cputune><emulatorpin cpuset='0'/></cputune><vcpu>1</vcpu>"


@pytest.mark.parametrize(
    ("step", "time", "there"),
    [
        ("iothread-noted", 1, [1]),
        ("iothread-plugged", 1, [1, 3]),
        ("iothread-noted", 2, [1, 3]),
        ("iothread-gone", 1, [3]),
    ],
)
async def test_a_kill_at_any_step_leaves_a_thread_or_none(
    root: Path, step: str, time: int, there: list[int]
) -> None:
    document = paused_guest_xml("web").replace("<vcpu>1</vcpu>", TUNED)
    words = [sys.executable, "-c", _OWNER, embedded(root), document, step, str(time)]
    done = await asyncio.to_thread(subprocess.run, words, timeout=30)
    assert done.returncode == -9
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.lookup_by_name("web")
        try:
            found = await iothreads(dom)
            assert sorted(found) == [f"iothread{number}" for number in there]
            assert sorted(thread.id for thread in await dom.cpu.io_threads(LIVE)) == there
            text = await dom.xml_desc()
            assert f"<iothreads>{len(there)}</iothreads>" in text
            assert ("<iothread id='3'/>" in text) == (3 in there)
            if 3 in there:
                assert os.sched_getaffinity(found["iothread3"]) == os.sched_getaffinity(0)
            await dom.cpu.add_io_thread(9, LIVE)
            with pytest.raises(InvalidArg):
                await dom.cpu.add_io_thread(9, LIVE)
        finally:
            await dom.destroy()
