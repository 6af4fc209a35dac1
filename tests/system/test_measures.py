# SPDX-License-Identifier: Apache-2.0
"""What is counted and measured of guests that run, and guests that sleep."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import virloom
from tests.system.conftest import PausedGuest, embedded
from tests.system.test_agent import Boot, guest_with, initrd
from tests.system.test_events import Heard
from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.enums.domain import (
    DomainCreateFlags,
    DomainModificationImpact,
    DomainState,
    DomainStatsTypes,
)
from virloom.enums.host import NodeSuspendTarget
from virloom.errors import (
    ArgumentUnsupported,
    InternalError,
    InvalidArg,
    OperationTimeout,
    SystemFailure,
)
from virloom.testing.dialogue import Dialogue
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

__all__ = ["guest_with", "initrd"]

pytestmark = pytest.mark.timeout(90)

LIVE = DomainModificationImpact.LIVE
CLOCK = "<perf><event name='task_clock' enabled='yes'/></perf>"


async def figures(conn: Connection, group: DomainStatsTypes) -> dict[str, Any]:
    """Of the only guest."""
    return (await conn.all_domain_stats(group))[0].values


async def work(dom: Domain) -> None:
    """Lets QEMU do something."""
    for _ in range(2):
        await dom.monitor_command('{"execute":"query-qmp-schema"}')


async def test_events_of_the_processor_are_counted(root: Path) -> None:
    document = paused_guest_xml("web").replace("<os>", f"{CLOCK}<os>")
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
        before = (await figures(conn, DomainStatsTypes.PERF))["perf.task_clock"]
        await work(dom)
        assert (await figures(conn, DomainStatsTypes.PERF))["perf.task_clock"] > before
        await dom.cpu.set_perf_events({"page_faults": True}, LIVE)
        with pytest.raises((ArgumentUnsupported, SystemFailure)):  # all of them or none
            await dom.cpu.set_perf_events({"task_clock": False, "cpu_clock": True, "cmt": True})
        counted = await figures(conn, DomainStatsTypes.PERF)
        assert sorted(counted) == ["perf.page_faults", "perf.task_clock"]
        await dom.cpu.set_perf_events({"page_faults": False}, LIVE)
    async with virloom.open(embedded(root)) as conn:  # who takes it over counts anew
        dom = await conn.lookup_by_name("web")
        await work(dom)
        assert (await figures(conn, DomainStatsTypes.PERF))["perf.task_clock"] > 0
        await dom.destroy()


async def test_what_the_host_does_not_count_starts_no_guest(conn: Connection) -> None:
    document = paused_guest_xml("web").replace("<os>", f"{CLOCK.replace('task_clock', 'cmt')}<os>")
    with pytest.raises(ArgumentUnsupported, match="cmt"):
        await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
    assert await conn.list_all_domains() == []


async def test_how_fast_memory_changes(conn: Connection, paused: PausedGuest) -> None:
    dom = await paused("web")
    await dom.memory.start_dirty_rate(1)
    async with asyncio.timeout(10):
        while (await figures(conn, DomainStatsTypes.DIRTYRATE))["dirtyrate.calc_status"] != 2:
            await asyncio.sleep(0.1)
    assert "dirtyrate.megabytes_per_second" in await figures(conn, DomainStatsTypes.DIRTYRATE)


async def test_a_guest_sleeps_and_is_woken(conn: Connection, guest_with: Boot) -> None:
    guest = await guest_with(machine="q35")
    await guest.start_agent()
    dom = guest.domain
    with pytest.raises(InternalError, match="not in suspended state"):
        await dom.pm_wakeup()
    async with Heard(conn) as heard:
        await dom.pm_suspend(NodeSuspendTarget.MEM)
        assert (await dom.state())[0] == DomainState.PMSUSPENDED
        await heard.until(virloom.PMSuspendEvent)
        await dom.pm_wakeup()
        await heard.until(virloom.PMWakeupEvent)
    assert (await dom.state())[0] == DomainState.RUNNING
    async with asyncio.timeout(30):  # its serial port hears nothing until it is awake
        while await _answer(guest.dialogue) != "awake":
            pass


async def _answer(dialogue: Dialogue) -> str:
    try:
        return (await dialogue.ask("echo awake", 1.0)).strip()
    except OperationTimeout:
        return ""


FLEXIBLE = (
    "<memory model='virtio-mem'><target><size unit='MiB'>256</size><node>0</node>"
    "<block unit='MiB'>2</block><requested unit='MiB'>32</requested></target></memory>"
    "<memballoon model='virtio'/>"
)
CELL = (
    "<maxMemory slots='4' unit='MiB'>1024</maxMemory><vcpu>1</vcpu>"
    "<cpu><numa><cell id='0' cpus='0' memory='256' unit='MiB'/></numa></cpu>"
)


async def test_a_guest_takes_what_it_is_asked_to(root: Path) -> None:
    modules = ("virtio_pci", "virtio_mem", "virtio_balloon", "button", "evdev")
    document = tiny_guest_xml("web", memory_mib=512, modules=modules, extra_devices=FLEXIBLE)
    async with virloom.open(embedded(root)) as conn, Heard(conn) as heard:
        dom = await conn.create_xml(document.replace("<vcpu>1</vcpu>", CELL))
        found = await heard.until(virloom.MemoryDeviceSizeChangeEvent, alias="virtiomem0")
        while found.size < 32 << 10:
            found = await heard.until(virloom.MemoryDeviceSizeChangeEvent)
        assert found.size == 32 << 10
        assert (await dom.info()).memory == (256 + 32) << 10
        text = await dom.xml_desc()
        assert "<current unit='KiB'>32768</current>" in text
        device = text[text.index("<memory model") : text.index("</memory>", text.index("model="))]
        more = device.replace("<requested unit='KiB'>32768", "<requested unit='KiB'>65536")
        await dom.devices.update(f"{more}</memory>", LIVE)
        while found.size < 64 << 10:
            found = await heard.until(virloom.MemoryDeviceSizeChangeEvent)
        with pytest.raises(InvalidArg, match="262144"):
            await dom.memory.set((256 << 10) + 1, LIVE)
        await dom.memory.set(200 << 10, LIVE)
        await heard.until(virloom.BalloonChangeEvent, actual=200 << 10)
        assert (await dom.info()).memory == (200 + 64) << 10
    async with virloom.open(embedded(root)) as conn:
        dom = await conn.lookup_by_name("web")
        assert (await dom.info()).memory == (200 + 64) << 10
        balloon = await figures(conn, DomainStatsTypes.BALLOON)
        assert balloon["balloon.current"] == (200 + 64) << 10
        await dom.destroy()
