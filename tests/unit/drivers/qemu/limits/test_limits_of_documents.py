# SPDX-License-Identifier: Apache-2.0
"""What a document asks of control groups, and what is refused without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.cgroups import FakeCgroups
from virloom.drivers.qemu.limits import block, memory, nodes, scheduler
from virloom.drivers.qemu.limits.devices import device_rules
from virloom.drivers.qemu.limits.start import apply_limits, nodes_of, refuse_unlimited
from virloom.errors import ConfigUnsupported, InvalidArg, OperationInvalid
from virloom.host.cgroup import group
from virloom.host.cgroup.backend import UNLIMITED
from virloom.host.cgroup.devices import TERMINALS, DeviceRule
from virloom.host.cgroup.mounts import CONTROLLERS, Hierarchies
from virloom.model.domain import Domain
from virloom.xml import parse_document

V1 = ("cpu,cpuacct", "cpuset", "memory", "blkio", "devices")


def domain(more: str) -> Domain:
    return parse_document(
        Domain, f"<domain type='qemu'><name>web</name><vcpu>1</vcpu>{more}</domain>"
    )


def groups(place: Path) -> group.GuestGroups:
    host = FakeCgroups(place, v1=V1)
    planned = group.planned(
        Hierarchies.of_this_process(str(host.proc)), None, "g.libvirt-qemu", CONTROLLERS
    )
    assert planned is not None
    made = group.make(planned, ["emulator", "vcpu0"], host.make)
    assert made is not None
    return made


LIMITS = [
    ("<cputune><shares>300</shares></cputune>", "CPU tuning"),
    ("<cputune><global_quota>5000</global_quota></cputune>", "<global_quota>"),
    ("<cputune><iothread_period>5000</iothread_period></cputune>", "<iothread_period>"),
    ("<memtune><hard_limit>100000</hard_limit></memtune>", "Memory tuning"),
    ("<blkiotune><weight>300</weight></blkiotune>", "Block I/O tuning"),
    ("<numatune><memory mode='restrictive' nodeset='0'/></numatune>", "restrictive"),
]


@pytest.mark.parametrize(("more", "said"), LIMITS)
def test_limits_need_groups(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(ConfigUnsupported, match=said) as caught:
        refuse_unlimited(domain(more), None, session=False)
    assert "on this host" in caught.value.message
    with pytest.raises(ConfigUnsupported, match="in session mode"):
        refuse_unlimited(domain(more), None, session=True)
    refuse_unlimited(domain(more), groups(tmp_path), session=False)


@pytest.mark.parametrize(
    "more",
    [
        "",
        "<numatune><memory mode='strict' nodeset='0'/></numatune>",
        "<cputune><vcpupin vcpu='0' cpuset='0'/></cputune>",
        "<cputune><quota>0</quota></cputune>",
        f"<memtune><hard_limit>{UNLIMITED}</hard_limit></memtune>",
    ],
)
def test_other_documents_need_none(more: str) -> None:
    refuse_unlimited(domain(more), None, session=True)


def test_what_no_host_keeps_to() -> None:
    with pytest.raises(ConfigUnsupported, match="min_guarantee"):
        refuse_unlimited(
            domain("<memtune><min_guarantee>5</min_guarantee></memtune>"), None, session=False
        )


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", None),
        ("<numatune><memory mode='strict' nodeset='1-2,^2'/></numatune>", "1"),
        ("<numatune><memory mode='restrictive' nodeset='0,1'/></numatune>", "0-1"),
        ("<numatune><memory mode='preferred' nodeset='1'/></numatune>", None),
        (
            "<numatune><memory mode='strict' nodeset='0'/>"
            "<memnode cellid='0' mode='strict' nodeset='3'/></numatune>",
            "0,3",
        ),
        (
            "<numatune><memory mode='strict' nodeset='0'/>"
            "<memnode cellid='0' mode='preferred' nodeset='3'/></numatune>",
            None,
        ),
    ],
)
def test_nodes_that_all_threads_are_kept_to(more: str, expected: str | None) -> None:
    assert nodes_of(domain(more)) == expected


def test_a_document_is_applied(tmp_path: Path) -> None:
    made = groups(tmp_path)
    limits = (
        "<cputune><shares>300</shares><period>20000</period><global_quota>9000</global_quota>"
        "<emulator_quota>5000</emulator_quota></cputune>"
        "<memtune><hard_limit>100000</hard_limit></memtune>"
        "<numatune><memory mode='strict' nodeset='0'/></numatune>"
    )
    apply_limits(made, domain(limits))
    cpu = Path(made.place("cpu").directory)
    found = {
        name: (cpu / name).read_text()
        for name in (
            "cpu.shares", "cpu.cfs_quota_us", "vcpu0/cpu.cfs_period_us",
            "vcpu0/cpu.cfs_quota_us", "emulator/cpu.cfs_quota_us",
        )
    }  # fmt: skip
    assert list(found.values()) == ["300", "9000", "20000", "-1", "5000"]
    nodes_file = Path(made.place("cpuset").directory, "vcpu0", "cpuset.mems")
    assert nodes_file.read_text() == "0"
    limit = Path(made.place("memory").directory, "memory.limit_in_bytes")
    assert limit.read_text() == "102400000"


def test_devices_of_a_document() -> None:
    dom = domain(
        "<devices><input type='evdev'><source dev='/dev/full'/></input>"
        "<disk type='block'><source dev='/dev/zero'/><target dev='vda'/></disk></devices>"
    )
    rules = device_rules(dom, ("/dev/null", "/dev/nowhere"))
    assert set(rules) == {TERMINALS, *(DeviceRule("c", 1, minor) for minor in (3, 5, 7))}


# -- parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vcpu_period", 999), ("global_period", 1000001),
        ("emulator_quota", 999), ("iothread_quota", 17592186044416),
    ],
)  # fmt: skip
def test_processor_time_beyond_all_limits(name: str, value: int) -> None:
    with pytest.raises(InvalidArg, match=name):
        scheduler.check_scheduler({name: value})


def test_processor_time_in_a_document() -> None:
    dom = domain("")
    given = {"cpu_shares": 400, "vcpu_quota": -3, "global_period": 5000}
    scheduler.check_scheduler(given)
    scheduler.set_scheduler(dom, given)
    said = scheduler.said_scheduler(dom)
    assert {name: said[name] for name in given} == given
    scheduler.set_scheduler(dom, dict.fromkeys(given, 0))
    assert set(scheduler.said_scheduler(dom).values()) == {0}
    with pytest.raises(InvalidArg, match="cpu_shares"):
        scheduler.set_scheduler(dom, {"cpu_shares": 1})


def test_memory_is_never_more_than_memory_with_swap() -> None:
    dom = domain("<memtune><hard_limit>500</hard_limit></memtune>")
    memory.check_memory(dom, {"swap_hard_limit": 500})
    memory.check_memory(dom, {"soft_limit": 900})
    with pytest.raises(InvalidArg, match="499"):
        memory.check_memory(dom, {"swap_hard_limit": 499})
    assert memory.ordered({"hard_limit": 5, "swap_hard_limit": 9}, 7)[0] == "swap_hard_limit"
    assert memory.ordered({"hard_limit": 5, "swap_hard_limit": 6}, 7)[0] == "hard_limit"


@pytest.mark.parametrize(
    "text", ["/dev/sda", "/dev/sda,x", "/dev/sda,-1", ",5", "/dev/sda,5,", "/dev/sda,4294967296"]
)
def test_block_devices_that_cannot_be_taken_apart(text: str) -> None:
    with pytest.raises(InvalidArg):
        block.parsed({"device_read_iops_sec": text})


def test_block_devices_in_a_document() -> None:
    dom = domain("")
    block.set_block(dom, block.parsed({"device_read_bytes_sec": "/a,4294967296,/b,7", "weight": 5}))
    block.set_block(dom, block.parsed({"device_weight": "/b,300"}))
    said = block.said_block(dom)
    assert (said["device_read_bytes_sec"], said["device_weight"]) == (
        "/a,4294967296,/b,7", "/b,300",
    )  # fmt: skip
    block.set_block(dom, block.parsed({"device_read_bytes_sec": "/a,0"}))
    assert [device.path for device in dom.blkiotune.devices] == ["/b"]


@pytest.mark.parametrize(
    ("mode", "values", "allowed"),
    [
        ("restrictive", {"nodeset": "0"}, True),
        ("restrictive", {"mode": "restrictive"}, True),
        ("restrictive", {"mode": "strict"}, False),
        ("strict", {"nodeset": "0"}, False),
    ],
)
def test_nodes_of_a_running_guest(mode: str, values: dict[str, Any], allowed: bool) -> None:
    dom = domain(f"<numatune><memory mode='{mode}' nodeset='0'/></numatune>")
    if allowed:
        nodes.check_live_nodes(dom, values)
        return
    with pytest.raises(OperationInvalid):
        nodes.check_live_nodes(dom, values)
