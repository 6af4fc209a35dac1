# SPDX-License-Identifier: Apache-2.0
"""Groups of a guest: made, found, limited and removed, in trees of both versions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fakes.cgroups import FakeCgroups
from virloom.errors import InvalidArg, OperationFailed, OperationInvalid, SystemFailure
from virloom.host.cgroup import group
from virloom.host.cgroup.backend import UNLIMITED, Bandwidth
from virloom.host.cgroup.devices import TERMINALS, DeviceRule, rules_of
from virloom.host.cgroup.mounts import CONTROLLERS, Hierarchies

NAME = "qemu-1-vm.libvirt-qemu"
V1 = ("cpu,cpuacct", "cpuset", "memory", "blkio", "devices")
THREADS = ["emulator", "vcpu0", "iothread1"]


def make(host: FakeCgroups, partition: str | None = None) -> group.GuestGroups:
    planned = group.planned(host_of(host), partition, NAME, CONTROLLERS)
    assert planned is not None
    made = group.make(planned, THREADS, host.make)
    assert made is not None
    return made


def host_of(host: FakeCgroups) -> Hierarchies:
    return Hierarchies.of_this_process(str(host.proc))


@pytest.fixture
def first(tmp_path: Path) -> FakeCgroups:
    return FakeCgroups(tmp_path, v1=V1)


@pytest.fixture
def second(tmp_path: Path) -> FakeCgroups:
    return FakeCgroups(tmp_path, v2="cpuset cpu io memory hugetlb pids")


def test_version_1_has_threads_where_they_are_told_apart(first: FakeCgroups) -> None:
    groups = make(first)
    below = f"machine/{NAME}"
    assert {path for path in first.made if path.startswith(("cpu-", "memory"))} == {
        "cpu-cpuacct/machine", f"cpu-cpuacct/{below}", "memory/machine", f"memory/{below}",
        *(f"cpu-cpuacct/{below}/{name}" for name in THREADS),
    }  # fmt: skip
    vcpu = first.point / "cpuset" / below / "vcpu0"
    assert ((vcpu / "cpuset.cpus").read_text(), (vcpu / "cpuset.mems").read_text()) == (
        "0-3",
        "0-1",
    )
    assert sorted(os.path.relpath(path, first.point) for path in groups.entrances()) == [
        f"blkio/{below}/tasks",
        f"cpu-cpuacct/{below}/emulator/tasks",
        f"cpuset/{below}/emulator/tasks",
        f"devices/{below}/tasks",
        f"memory/{below}/tasks",
    ]


def test_version_2_hands_controllers_down_and_makes_threaded_groups(second: FakeCgroups) -> None:
    groups = make(second)
    top = second.point / "unified"
    assert (top / "cgroup.subtree_control").read_text() == "+cpu +cpuset +memory +io"
    assert (top / "machine" / "cgroup.subtree_control").read_text() == "+cpu +cpuset +memory +io"
    guest = top / "machine" / NAME
    assert (guest / "cgroup.subtree_control").read_text() == "+cpu +cpuset"
    assert (guest / "vcpu0" / "cgroup.type").read_text() == "threaded"
    assert groups.entrances() == [f"{guest}/emulator/cgroup.procs"]
    assert groups.has("devices")  # by a program


def test_a_controller_that_is_kept_back_is_missing(tmp_path: Path) -> None:
    host = FakeCgroups(tmp_path, v2="cpu memory")
    (host.point / "unified" / "machine").mkdir()
    for name in ("cgroup.controllers", "cgroup.subtree_control"):
        (host.point / "unified" / "machine" / name).write_text("memory")
    groups = make(host)
    assert groups.has("memory")
    with pytest.raises(OperationInvalid, match="CPU controller is not mounted"):
        groups.place("cpu")


@pytest.mark.parametrize("emulator", ["/emulator", ""])
def test_found_by_its_process_wherever_it_is(first: FakeCgroups, emulator: str) -> None:
    moved = f"/moved/{NAME}"
    for top in first.point.iterdir():
        (top / "moved" / NAME).mkdir(parents=True)
    lines = [f"1:cpu,cpuacct:{moved}{emulator}", f"2:memory:{moved}", "3:blkio:/", "0::/"]
    first.member("77", *lines)
    groups = group.find(77, NAME, host_of(first), str(first.proc))
    assert groups is not None
    assert {place.directory for place in groups.places} == {
        f"{first.point}/cpu-cpuacct{moved}", f"{first.point}/memory{moved}",
    }  # fmt: skip
    assert not groups.has("blkio")
    assert group.find(77, "another.libvirt-qemu", host_of(first), str(first.proc)) is None


def test_groups_that_somebody_is_in_are_left(first: FakeCgroups) -> None:
    make(first)
    tasks = first.point / "cpu-cpuacct" / "machine" / NAME / "vcpu0" / "tasks"
    tasks.write_text("123\n")
    with pytest.raises(OperationFailed, match="in use by another guest"):
        make(first)
    assert tasks.exists()


def test_without_the_right_there_are_no_groups(first: FakeCgroups) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "not for you")

    planned = group.planned(host_of(first), None, NAME, CONTROLLERS)
    assert planned is not None
    assert group.make(planned, THREADS, refuse) is None


def test_a_partition_has_to_be_there(first: FakeCgroups) -> None:
    with pytest.raises(SystemFailure, match=r"/machine/x\.partition"):
        make(first, "/machine/x")


def test_nothing_to_make_groups_in(tmp_path: Path) -> None:
    assert group.planned(host_of(FakeCgroups(tmp_path)), None, NAME, CONTROLLERS) is None


@pytest.mark.parametrize("version", [1, 2])
def test_limits_are_read_as_they_were_written(tmp_path: Path, version: int) -> None:
    given = {"v1": V1} if version == 1 else {"v2": "cpu cpuset io memory"}
    host = FakeCgroups(tmp_path, **given)  # type: ignore[arg-type]
    groups = make(host)
    cpu, memory, blkio = groups.place("cpu"), groups.place("memory"), groups.place("blkio")
    assert cpu.backend.bandwidth(cpu.directory) == Bandwidth(100000, -1)
    cpu.backend.set_bandwidth(cpu.directory, None, 5000)
    cpu.backend.set_bandwidth(cpu.directory, 20000, None)
    assert cpu.backend.bandwidth(cpu.directory) == Bandwidth(20000, 5000)
    cpu.backend.set_bandwidth(cpu.directory, None, -7)
    assert cpu.backend.bandwidth(cpu.directory).quota == -1
    cpu.backend.set_shares(cpu.directory, 512)
    assert cpu.backend.shares(cpu.directory) == 512
    with pytest.raises(InvalidArg, match="300000"):
        cpu.backend.set_shares(cpu.directory, 300000)
    assert memory.backend.memory(memory.directory, "hard_limit") == UNLIMITED
    memory.backend.set_memory(memory.directory, "hard_limit", 1000)
    memory.backend.set_memory(memory.directory, "swap_hard_limit", 3000)
    assert memory.backend.memory(memory.directory, "hard_limit") == 1000
    assert memory.backend.memory(memory.directory, "swap_hard_limit") == 3000
    assert blkio.backend.weight(blkio.directory) == 100
    blkio.backend.set_weight(blkio.directory, 300)
    assert blkio.backend.weight(blkio.directory) == 300


def test_what_version_2_has_in_its_files(second: FakeCgroups) -> None:
    groups = make(second)
    place = groups.place("cpu")
    place.backend.set_bandwidth(place.directory, 20000, 5000)
    place.backend.set_memory(place.directory, "hard_limit", 1000)
    place.backend.set_memory(place.directory, "swap_hard_limit", 3000)
    files = {name: Path(place.directory, name).read_text() for name in
             ("cpu.max", "memory.max", "memory.swap.max")}  # fmt: skip
    assert files == {
        "cpu.max": "5000 20000", "memory.max": "1024000", "memory.swap.max": "2048000",
    }  # fmt: skip
    assert place.backend.usage(place.directory) == (5_000_000, 3_000_000, 2_000_000)


def test_used_time(first: FakeCgroups) -> None:
    place = make(first).place("cpuacct")
    assert place.backend.usage(place.directory).total == 5_000_000_000
    assert place.backend.usage_per_cpu(place.directory) == [2_000_000_000, 3_000_000_000]


def test_a_block_device_has_to_be_one(first: FakeCgroups, tmp_path: Path) -> None:
    place = make(first).place("blkio")
    with pytest.raises(SystemFailure, match="block device"):
        place.backend.set_block_limit(place.directory, "read_iops_sec", str(tmp_path), 5)


def test_devices_of_version_1(first: FakeCgroups) -> None:
    place = make(first).place("devices")
    files = [Path(place.directory, f"devices.{name}") for name in ("list", "allow", "deny")]
    place.backend.set_devices(place.directory, [TERMINALS])
    assert [file.read_text() for file in files[1:]] == ["c 136:* rwm", "a"]
    files[0].write_text("c 136:* rwm\nb 7:3 rwm\n")
    place.backend.set_devices(place.directory, [TERMINALS, DeviceRule("c", 1, 3)])
    assert [file.read_text() for file in files[1:]] == ["c 1:3 rwm", "b 7:3 rwm"]


def test_rules_of_paths() -> None:
    found = rules_of(["/dev/null", "/dev/full", "/dev/null", "/nowhere", "/etc/passwd"])
    assert found == [DeviceRule("c", 1, 3), DeviceRule("c", 1, 7)]


def test_threads_come_and_go(first: FakeCgroups) -> None:
    groups = make(first)
    groups.add_thread_group("vcpu", 5, first.make)
    groups.add_thread_group("vcpu", 5, first.make)
    groups.move_thread("vcpu", 5, 4711)
    directory = first.point / "cpuset" / "machine" / NAME / "vcpu5"
    assert (directory / "tasks").read_text() == "4711"
    assert (directory / "cpuset.cpus").read_text() == "0-3"
