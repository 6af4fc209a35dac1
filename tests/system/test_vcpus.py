# SPDX-License-Identifier: Apache-2.0
"""vCPUs come and go in a guest that runs, are put where they belong, and outlive the daemon."""

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
from tests.system.conftest import Booted, embedded
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.enums.domain import DomainCreateFlags, DomainVcpuFlags
from virloom.errors import InternalError, OperationUnsupported, SystemFailure, VirloomError
from virloom.testing.dialogue import Dialogue
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

pytestmark = pytest.mark.timeout(120)

LIVE = DomainVcpuFlags.LIVE
TUNED = (
    "<vcpu current='1'>3</vcpu><cputune><vcpupin vcpu='1' cpuset='0'/><emulatorpin cpuset='0'/>"
    "<vcpusched vcpus='1' scheduler='batch'/></cputune>"
)


def with_more(document: str) -> str:
    return document.replace("<vcpu>1</vcpu>", TUNED)


async def threads(dom: Domain) -> dict[int, int]:
    """Thread by vCPU, as QEMU has them."""
    told = json.loads(await dom.monitor_command('{"execute":"query-cpus-fast"}'))
    return {cpu["cpu-index"]: cpu["thread-id"] for cpu in told["return"]}


async def vcpus(dom: Domain) -> list[str]:
    """The elements of the live document."""
    return re.findall(r"<vcpu id=[^>]*>", await dom.xml_desc())


async def until(dialogue: Dialogue, command: str, answer: str) -> None:
    async with asyncio.timeout(20):
        while (await dialogue.ask(command)).strip() != answer:
            await asyncio.sleep(0.1)


async def test_the_guest_sees_a_vcpu_come_and_go(conn: Connection) -> None:
    document = with_more(tiny_guest_xml("many"))
    dom = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
    async with dom.console() as console:
        await dom.resume()
        guest = Booted(dom, dialogue := Dialogue(console), await dialogue.ready())
        await guest.domain.cpu.set_count(2, LIVE)
        await until(dialogue, "cat /sys/devices/system/cpu/present", "0-1")
        await dialogue.ask("echo 1 > /sys/devices/system/cpu/cpu1/online; echo")
        assert (await dialogue.ask("cat /sys/devices/system/cpu/online")).strip() == "0-1"
        thread = (await threads(dom))[1]
        assert os.sched_getaffinity(thread) == {0}
        assert os.sched_getscheduler(thread) == os.SCHED_BATCH
        await dom.cpu.set_vcpus("2", True, LIVE)
        assert os.sched_getaffinity((await threads(dom))[2]) == os.sched_getaffinity(0)
        assert await dom.cpu.count() == 3
        await dom.cpu.set_vcpus("1", False, LIVE)
        assert [vcpu.number for vcpu in await dom.cpu.vcpus()] == [0, 2]
        assert await vcpus(dom) == [
            "<vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>",
            "<vcpu id='1' enabled='no' hotpluggable='yes'/>",
            "<vcpu id='2' enabled='yes' hotpluggable='yes' order='2'/>",
        ]
        await until(dialogue, "cat /sys/devices/system/cpu/present", "0,2")
        stats = (await conn.all_domain_stats())[0]
        assert "vcpu.2.state" in str(stats)
        assert "vcpu.1.state" not in str(stats)
        # Somebody else has it unplugged: what the guest lets go leaves the document.
        await dom.monitor_command('{"execute":"device_del","arguments":{"id":"vcpu2"}}')
        async with asyncio.timeout(10):
            while await dom.cpu.count() != 1:
                await asyncio.sleep(0.1)


SOME = (
    "<vcpu>4</vcpu><vcpus><vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>"
    "<vcpu id='1' enabled='no' hotpluggable='yes'/>"
    "<vcpu id='2' enabled='yes' hotpluggable='yes' order='3'/>"
    "<vcpu id='3' enabled='yes' hotpluggable='yes' order='2'/></vcpus>"
)


async def test_single_vcpus_from_the_start(conn: Connection) -> None:
    document = paused_guest_xml("some").replace("<vcpu>1</vcpu>", SOME)
    dom = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
    assert sorted(await threads(dom)) == [0, 2, 3] == [v.number for v in await dom.cpu.vcpus()]
    await dom.cpu.set_vcpus("1", True, LIVE)
    orders = [re.search("order='(.)'", vcpu) for vcpu in await vcpus(dom)]
    assert [order and order[1] for order in orders] == ["1", "4", "3", "2"]
    with pytest.raises(OperationUnsupported, match="can't be unplugged"):
        await dom.cpu.set_vcpus("0", False, LIVE)
    with pytest.raises(InternalError):  # firmware that has not run leaves QEMU unable to ask
        await dom.cpu.set_count(3, LIVE)
    assert await dom.cpu.count() == 4


async def test_a_machine_without_other_places(conn: Connection) -> None:
    document = paused_guest_xml("small", machine="microvm")
    document = document.replace("<vcpu>1</vcpu>", "<vcpu current='1'>2</vcpu>")
    document = document.replace("<target port='0'/>", "<target type='isa-serial' port='0'/>")
    dom = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
    with pytest.raises(VirloomError):
        await dom.cpu.set_count(2, LIVE)
    assert await dom.cpu.count() == 1


_OWNER = """
import asyncio, os, sys, virloom
from virloom.drivers.qemu.process.steps import observed
def die_at(step):
    if step == sys.argv[3]:
        os.kill(os.getpid(), 9)
async def main():
    conn = await virloom.open(sys.argv[1])
    dom = await conn.create_xml(sys.argv[2], 1)
    await dom.cpu.set_count(2, 1)
with observed(die_at):
    asyncio.run(main())
"""


@pytest.mark.parametrize("step", ["before-vcpu", "vcpu-plugged", "vcpu-shown", "vcpu-recorded"])
async def test_a_kill_at_any_step_leaves_a_vcpu_or_none(root: Path, step: str) -> None:
    document = with_more(paused_guest_xml("web"))
    words = [sys.executable, "-c", _OWNER, embedded(root), document, step]
    done = await asyncio.to_thread(subprocess.run, words, timeout=30)
    assert done.returncode == -9
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.lookup_by_name("web")
        try:
            there = step != "before-vcpu"
            assert await dom.cpu.count() == 1 + there
            assert sorted(await threads(dom)) == [0, 1][: 1 + there]
            assert len(await dom.cpu.vcpus()) == 1 + there
            if not there:
                await dom.cpu.set_count(2, LIVE)
            thread = (await threads(dom))[1]
            assert os.sched_getaffinity(thread) == {0}
            assert os.sched_getscheduler(thread) == os.SCHED_BATCH
            await dom.cpu.set_vcpus("2", True, LIVE)
        finally:
            await dom.destroy()


async def test_a_restored_guest_has_what_it_had(conn: Connection, tmp_path: Path) -> None:
    document = with_more(paused_guest_xml("kept"))
    dom = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
    await dom.cpu.set_vcpus("2", True, LIVE)
    shown = await vcpus(dom)
    await dom.saving.save(str(tmp_path / "kept.save"))
    await conn.restore(str(tmp_path / "kept.save"))
    dom = await conn.lookup_by_name("kept")
    assert sorted(await threads(dom)) == [0, 2]
    assert await vcpus(dom) == shown
    await dom.cpu.set_count(3, LIVE)
    await dom.destroy()


async def test_a_place_that_the_host_has_not_costs_no_vcpu(conn: Connection) -> None:
    document = with_more(paused_guest_xml("far")).replace(
        "vcpu='1' cpuset='0'", "vcpu='1' cpuset='4095'"
    )
    dom = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
    with pytest.raises(SystemFailure, match="vCPU 1"):
        await dom.cpu.set_count(2, LIVE)
    assert [vcpu.number for vcpu in await dom.cpu.vcpus()] == [0, 1]
    assert await dom.cpu.count() == 2
    await dom.cpu.set_count(3, LIVE)


async def test_a_vcpu_that_came_otherwise_is_taken_in(conn: Connection) -> None:
    document = with_more(paused_guest_xml("late"))
    dom = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
    told = json.loads(await dom.monitor_command('{"execute":"query-hotpluggable-cpus"}'))
    last = max(told["return"], key=lambda cpu: cpu["props"]["socket-id"])
    added = {"driver": last["type"], "id": "vcpu2", **last["props"]}
    await dom.monitor_command(json.dumps({"execute": "device_add", "arguments": added}))
    await dom.cpu.set_count(2, LIVE)  # as after an answer that came too late
    assert sorted(await threads(dom)) == [0, 2]
    assert await dom.cpu.count() == 2
