# SPDX-License-Identifier: Apache-2.0
"""Where a host has its control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.cgroups import FakeCgroups
from virloom.host.cgroup.mounts import Hierarchies, groups_of, hierarchies

HYBRID = ("cpu,cpuacct", "cpuset", "memory", "blkio", "devices")


def test_each_controller_is_used_where_it_is_mounted(tmp_path: Path) -> None:
    host = FakeCgroups(tmp_path, v1=("cpu,cpuacct", "memory"), v2="cpuset io hugetlb")
    found = Hierarchies.of_this_process(str(host.proc)).by_controller
    assert {name: (h.version, h.key) for name, h in found.items()} == {
        "cpu": (1, "cpu,cpuacct"),
        "cpuacct": (1, "cpu,cpuacct"),
        "memory": (1, "memory"),
        "cpuset": (2, ""),
        "blkio": (2, ""),
        "devices": (2, ""),
    }


def test_version_2_counts_time_where_it_has_the_processor(tmp_path: Path) -> None:
    host = FakeCgroups(tmp_path, v2="cpu memory")
    assert set(Hierarchies.of_this_process(str(host.proc)).by_controller) == {
        "cpu", "cpuacct", "memory", "devices",
    }  # fmt: skip


@pytest.mark.parametrize("given", ["ro,relatime", "rw,relatime"])
def test_what_is_mounted_for_reading_only_is_nothing(tmp_path: Path, given: str) -> None:
    host = FakeCgroups(tmp_path, v1=("cpu",))
    table = host.proc / "self" / "mountinfo"
    text = table.read_text()
    if given.startswith("ro"):
        table.write_text(text.replace("rw,relatime", given))
    else:
        table.write_text(text.replace("cgroup rw,cpu", "cgroup ro,cpu"))
    assert not Hierarchies.of_this_process(str(host.proc)).by_controller


def test_no_procfs_is_nothing(tmp_path: Path) -> None:
    assert not Hierarchies.of_this_process(str(tmp_path)).by_controller


def test_a_container_sees_its_own_groups_only() -> None:
    line = (
        r"31 23 0:28 /docker/ab /sys/fs/cgroup\040x/cpu rw,relatime shared:1 - cgroup none rw,cpu"
    )
    (found,) = hierarchies(line)
    assert found.directory("/docker/ab") == "/sys/fs/cgroup x/cpu"
    assert found.directory("/docker/ab/machine/g") == "/sys/fs/cgroup x/cpu/machine/g"
    assert found.directory("/docker/abc") is None
    assert found.directory("/") is None


def test_a_group_outside_a_namespace_is_not_to_be_seen() -> None:
    (found,) = hierarchies("31 23 0:28 / /sys/fs/cgroup/cpu rw - cgroup none rw,cpu")
    assert found.directory("/../../elsewhere") is None
    assert found.directory("/") == "/sys/fs/cgroup/cpu"


def test_groups_of_a_process() -> None:
    text = "9:name=systemd:/init\n4:memory:/a:b\n2:cpu,cpuacct:/c/emulator\n1:pids:/\n0::/d\n"
    assert groups_of(text) == {"memory": "/a:b", "cpu,cpuacct": "/c/emulator", "": "/d"}
