# SPDX-License-Identifier: Apache-2.0
"""A guest in its control groups: placed, limited, taken over wherever it is, and cleaned up."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

import virloom
from tests.system.conftest import NOBODY, PausedGuest, embedded
from virloom.client.connection import Connection
from virloom.client.domain.events import TunableEvent
from virloom.errors import (
    ConfigUnsupported,
    InvalidArg,
    OperationInvalid,
    SystemFailure,
    VirloomError,
)
from virloom.host.cgroup.layout import machine_name
from virloom.host.cgroup.mounts import Hierarchies, groups_of
from virloom.procedures import domain as p
from virloom.testing.documents import paused_guest_xml

OWNER = Path(__file__).parents[1] / "fakes" / "owner.py"
TOP = Path("/sys/fs/cgroup")

pytestmark = pytest.mark.skipif(
    {h.version for h in Hierarchies.of_this_process().by_controller.values()} != {1},
    reason="the host has no control groups of version 1 that this process may make groups in",
)
LIMITED = (
    "<iothreads>1</iothreads><cputune><shares>300</shares><quota>50000</quota>"
    "<emulator_quota>60000</emulator_quota><iothread_period>20000</iothread_period></cputune>"
    "<memtune><soft_limit unit='KiB'>500000</soft_limit></memtune><os>"
)


def document(name: str, limits: str = LIMITED) -> str:
    return paused_guest_xml(name, machine="microvm", vcpus=2).replace("<os>", limits, 1)


def groups(root: Path) -> list[str]:
    name = machine_name(0, "", str(root)).removesuffix("0-")
    return [str(path) for path in TOP.glob(f"*/machine/{name}*")]


def record_of(root: Path) -> dict[str, dict[str, int]]:
    (path,) = (root / "run" / "qemu").glob("*.json")
    found: dict[str, dict[str, int]] = json.loads(path.read_text())
    return found


def threads(pid: int, controller: str) -> dict[str, str]:
    """The last part of each thread's group, by the thread's name."""
    found = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        group = groups_of((thread / "cgroup").read_text())[controller]
        found[(thread / "comm").read_text().strip()] = group.rpartition("/")[2]
    return found


@pytest.fixture
def clean(root: Path) -> Iterator[Path]:
    """The root; no group of it is left at the end."""
    yield root
    assert groups(root) == []


async def test_a_guest_starts_limited(clean: Path) -> None:
    async with virloom.open(embedded(clean)) as conn:
        dom = await conn.create_xml(document("web"), 1)
        pid = record_of(clean)["process"]["pid"]
        name = f"{machine_name(1, 'web', str(clean))}.libvirt-qemu"
        assert threads(pid, "memory")["CPU 0/TCG"] == name
        for controller in ("cpu", "cpuset"):
            placed = threads(pid, controller)
            assert {placed["CPU 0/TCG"], placed["CPU 1/TCG"]} == {"vcpu0", "vcpu1"}
            assert placed["IO iothread1"] == "iothread1"
            assert placed["IO mon_iothread"] == "emulator"
        assert await dom.cpu.scheduler_parameters() == {
            "cpu_shares": 300, "vcpu_period": 100000, "vcpu_quota": 50000,
            "emulator_period": 100000, "emulator_quota": 60000,
            "global_period": 100000, "global_quota": -1,
            "iothread_period": 20000, "iothread_quota": -1,
        }  # fmt: skip
        assert (await dom.memory.parameters())["soft_limit"] == 500000
        assert "<partition>/machine</partition>" in await dom.xml_desc()
        total = await dom.cpu.total_stats()
        by_cpu = await dom.cpu.stats()
        counted = sum(int(cpu["cpu_time"]) for cpu in by_cpu)
        assert counted >= int(total["cpu_time"]) > 0
        assert all(int(cpu["vcpu_time"]) <= int(cpu["cpu_time"]) for cpu in by_cpu)
        await dom.destroy()
        assert groups(clean) == []


async def test_threads_without_limits_get_into_their_groups_a_little_later(clean: Path) -> None:
    async with virloom.open(embedded(clean)) as conn:
        dom = await conn.create_xml(document("web", "<os>"), 1)
        pid = record_of(clean)["process"]["pid"]
        async with asyncio.timeout(10):
            for cpu in (0, 1):
                while threads(pid, "cpuset")[f"CPU {cpu}/TCG"] != f"vcpu{cpu}":
                    await asyncio.sleep(0.01)
        await dom.destroy()


async def test_parameters_on_the_wire(paused: PausedGuest, clean: Path) -> None:
    """Lists say themselves how long they are."""
    dom = await paused("web")
    link, ref = dom.memory._link, dom.memory._dom
    all_of_them = p.DomainGetNumaParametersArgs(ref, 16, 4)
    ret = await link.call(p.DOMAIN_GET_NUMA_PARAMETERS, all_of_them)
    assert ([param.field for param in ret.params], ret.nparams) == (
        ["numa_mode", "numa_nodeset"], 0,
    )  # fmt: skip
    count = p.DomainGetNumaParametersArgs(ref, 0, 0)
    assert (await link.call(p.DOMAIN_GET_NUMA_PARAMETERS, count)).nparams == 2
    assert (await dom.cpu.scheduler_parameters())["iothread_quota"] == -1
    for first, parameters, cpus in ((-1, 3, 2), (-2, 1, 1), (0, 1, 0)):
        asked = p.DomainGetCPUStatsArgs(ref, parameters, first, cpus, 0)
        with pytest.raises(InvalidArg):
            await link.call(p.DOMAIN_GET_CPU_STATS, asked)
    await dom.destroy()


async def test_what_is_changed_is_told(conn: Connection, paused: PausedGuest, clean: Path) -> None:
    dom = await paused("web", vcpus=2)
    async with conn.events(TunableEvent) as events:
        await dom.cpu.set_scheduler_parameters({"cpu_shares": 600, "vcpu_quota": 30000})
        with pytest.raises(InvalidArg, match="shares '1'"):
            await dom.cpu.set_scheduler_parameters({"vcpu_period": 20000, "cpu_shares": 1})
        async with asyncio.timeout(5):
            told = [await anext(events), await anext(events)]
    assert [event.params for event in told if isinstance(event, TunableEvent)] == [
        {"cputune.cpu_shares": 600, "cputune.vcpu_quota": 30000},
        {"cputune.vcpu_period": 20000},
    ]
    assert "<period>20000</period>" in await dom.xml_desc()
    with pytest.raises(SystemFailure, match="limit_in_bytes"):
        await dom.memory.set_parameters({"hard_limit": 10})
    assert "memtune" not in await dom.xml_desc()
    await dom.destroy()


async def test_a_guest_is_found_in_its_groups_wherever_they_are(
    clean: Path, tmp_path: Path
) -> None:
    """Its owner is killed; meanwhile somebody moves it to another partition."""
    path = tmp_path / "web"
    path.write_text(document("web"))
    command = [sys.executable, str(OWNER), str(clean), "running", str(path)]
    assert subprocess.run(command, timeout=60, check=False).returncode == -9
    pid = record_of(clean)["process"]["pid"]
    name = threads(pid, "memory")["CPU 0/TCG"]
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text() == "CPU 0/TCG\n":  # as if its owner had not come so far
            (TOP / "cpu" / "machine" / name / "emulator" / "tasks").write_text(task.name)
    partition = TOP / "memory" / "machine" / f"moved-{os.getpid()}.partition"
    (partition / name).mkdir(parents=True)
    (partition / name / "cgroup.procs").write_text(str(pid))
    try:
        async with virloom.open(embedded(clean)) as conn:
            (dom,) = await conn.list_all_domains(1)
            await dom.memory.set_parameters({"soft_limit": 400000})
            await dom.cpu.set_scheduler_parameters({"vcpu_quota": 70000})
            moved = (partition / name / "memory.soft_limit_in_bytes").read_text()
            assert int(moved) == 400000 * 1024
            for number in (0, 1):
                quota = TOP / "cpu" / "machine" / name / f"vcpu{number}" / "cpu.cfs_quota_us"
                assert quota.read_text() == "70000\n"
            async with asyncio.timeout(10):
                while threads(pid, "cpu")["CPU 0/TCG"] != "vcpu0":
                    await asyncio.sleep(0.01)
            await dom.destroy()
            assert not (partition / name).exists()
    finally:
        for directory in (partition / name, partition):
            if directory.exists():
                directory.rmdir()


async def test_controllers_that_are_not_to_be_used(clean: Path) -> None:
    (clean / "etc").mkdir(parents=True)
    (clean / "etc" / "qemu.conf").write_text('cgroup_controllers = [ "cpuset", "memory" ]\n')
    async with virloom.open(embedded(clean)) as conn:
        with pytest.raises(ConfigUnsupported, match="CPU tuning is not available on this host"):
            await conn.create_xml(document("web"), 1)
        dom = await conn.create_xml(document("web", "<os>"), 1)
        assert set(await dom.memory.parameters()) == {"hard_limit", "soft_limit", "swap_hard_limit"}
        for refused in (dom.cpu.scheduler_parameters, dom.block.io_parameters, dom.cpu.stats):
            with pytest.raises(OperationInvalid):
                await refused()
        assert int((await dom.cpu.total_stats())["cpu_time"]) > 0
        await dom.destroy()


async def test_threads_that_come_later_are_limited_as_well(clean: Path) -> None:
    quota = "<cputune><quota>50000</quota><iothread_quota>40000</iothread_quota></cputune><os>"
    text = paused_guest_xml("web", vcpus=2).replace("<os>", quota, 1)
    async with virloom.open(embedded(clean)) as conn:
        dom = await conn.create_xml(text.replace("<vcpu>", "<vcpu current='1'>"), 1)
        pid = record_of(clean)["process"]["pid"]
        top = TOP / "cpu" / "machine" / threads(pid, "memory")["CPU 0/TCG"]
        assert not (top / "vcpu1").exists()
        await dom.cpu.set_count(2, 1)
        await dom.cpu.add_io_thread(3, 1)
        placed = threads(pid, "cpu")
        assert (placed["CPU 1/TCG"], placed["IO iothread3"]) == ("vcpu1", "iothread3")
        assert (top / "vcpu1" / "cpu.cfs_quota_us").read_text() == "50000\n"
        assert (top / "iothread3" / "cpu.cfs_quota_us").read_text() == "40000\n"
        await dom.cpu.del_io_thread(3, 1)
        assert not (top / "iothread3").exists()
        await dom.destroy()


def allowed(root: Path) -> list[str]:
    name = f"{machine_name(1, 'web', str(root))}.libvirt-qemu"
    return (TOP / "devices" / "machine" / name / "devices.list").read_text().splitlines()


async def test_devices_are_allowed_while_they_are_there(
    conn: Connection, paused: PausedGuest, clean: Path, tmp_path: Path
) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(1 << 20))
    losetup = ["losetup", "--find", "--show", str(image)]
    done = subprocess.run(losetup, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no loop device: {done.stderr}")
    device = done.stdout.strip()
    number = os.stat(device).st_rdev
    rule = f"b {os.major(number)}:{os.minor(number)} rwm"
    disk = (
        f"<disk type='block' device='disk'><driver name='qemu' type='raw'/>"
        f"<source dev='{device}'/><target dev='sda' bus='usb'/></disk>"
    )
    try:
        dom = await paused("web", extra_devices="<controller type='usb' model='qemu-xhci'/>")
        usual = allowed(clean)
        assert {"c 136:* rwm", "c 1:3 rwm", "c 1:9 rwm", "c 5:2 rwm"} <= set(usual)
        assert rule not in usual
        await dom.devices.attach(disk, 1)
        assert allowed(clean) == [*usual, rule]
        with pytest.raises(VirloomError):
            await dom.devices.attach(disk.replace("sda", "sdb").replace("raw", "qcow2"), 1)
        assert allowed(clean) == [*usual, rule]
        await dom.devices.detach(disk, 1)
        assert allowed(clean) == usual
        await dom.destroy()
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


ORDINARY = """
import asyncio, sys, virloom
from pathlib import Path
from virloom.errors import VirloomError

async def main():
    async with virloom.open(f"qemu:///embed?root={sys.argv[1]}") as conn:
        try:
            await conn.create_xml(sys.argv[3], 1)
        except VirloomError as error:
            print(error.code)
        dom = await conn.create_xml(sys.argv[2], 1)
        for call in (dom.cpu.scheduler_type, dom.memory.parameters, dom.block.io_parameters,
                     dom.memory.numa_parameters, dom.cpu.stats):
            try:
                print(await call())
            except VirloomError as error:
                print(error.code)
        await dom.destroy()

asyncio.run(main())
"""


def test_an_ordinary_users_guest_has_none(
    ordinary_user: Callable[[Sequence[str]], list[str]],
) -> None:
    with tempfile.TemporaryDirectory(prefix="virloom-limits-") as name:
        os.chown(name, NOBODY, NOBODY)
        documents = [document("web", "<os>"), document("limited")]
        done = subprocess.run(
            ordinary_user(["-c", ORDINARY, name, *documents]),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.stdout.split("\n") == [
        "67", "84", "84", "67", "{'numa_mode': 0, 'numa_nodeset': ''}", "55", "",
    ], done.stderr  # fmt: skip
