# SPDX-License-Identifier: Apache-2.0
"""A host with control groups in a directory: what the kernel's files say at first."""

from __future__ import annotations

import os
from pathlib import Path

#: What a new group of each controller of version 1 has.
_V1 = {
    "cpu": {"cpu.shares": "1024", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "-1"},
    "cpuset": {"cpuset.cpus": "", "cpuset.mems": ""},
    "memory": {
        "memory.limit_in_bytes": "9223372036854771712",
        "memory.soft_limit_in_bytes": "9223372036854771712",
        "memory.memsw.limit_in_bytes": "9223372036854771712",
    },
    "blkio": {
        "blkio.bfq.weight": "100",
        "blkio.bfq.weight_device": "",
        "blkio.throttle.read_iops_device": "",
        "blkio.throttle.write_bps_device": "",
    },
    "devices": {"devices.allow": "", "devices.deny": "", "devices.list": "a *:* rwm"},
    "cpuacct": {
        "cpuacct.usage": "5000000000",
        "cpuacct.stat": "user 300\nsystem 200\n",
        "cpuacct.usage_percpu": "2000000000 3000000000 ",
    },
}
_V2 = {
    "cgroup.type": "domain",
    "cgroup.procs": "",
    "cgroup.threads": "",
    "cgroup.subtree_control": "",
    "cpu.weight": "100",
    "cpu.max": "max 100000",
    "cpu.stat": "usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\n",
    "cpuset.mems": "",
    "memory.max": "max",
    "memory.high": "max",
    "memory.swap.max": "max",
    "io.weight": "default 100",
    "io.max": "",
}


class FakeCgroups:
    """A tree of files like ``/sys/fs/cgroup`` and what ``/proc`` says of it.

    Attributes:
        proc: To be read as ``/proc``.
        made: The groups, in the order in which they were made.
    """

    def __init__(self, place: Path, *, v1: tuple[str, ...] = (), v2: str | None = None) -> None:
        self.point = place / "cgroup"
        self.proc = place / "proc"
        self.made: list[str] = []
        lines, memberships = [], []
        for number, name in enumerate(v1, 1):
            point = self._top(name.replace(",", "-"))
            lines.append(
                f"3{number} 31 0:3{number} / {point} rw,relatime - cgroup cgroup rw,{name}"
            )
            memberships.append(f"{number}:{name}:/")
            for controller in name.split(","):
                if controller in _V1:
                    self._fill(point, {"tasks": "", **_V1[controller]})
            if name == "cpuset":
                (point / "cpuset.cpus").write_text("0-3\n")
                (point / "cpuset.mems").write_text("0-1\n")
        if v2 is not None:
            point = self._top("unified")
            self._fill(point, {"cgroup.controllers": v2, "cgroup.subtree_control": ""})
            lines.append(f"40 31 0:40 / {point} rw,nosuid - cgroup2 cgroup2 rw")
            memberships.append("0::/")
        (self.proc / "self").mkdir(parents=True)
        (self.proc / "self" / "mountinfo").write_text("\n".join(lines) + "\n")
        self.member("self", *memberships)

    def member(self, pid: str, *lines: str) -> None:
        """Says which groups a process is in."""
        (self.proc / pid).mkdir(exist_ok=True)
        (self.proc / pid / "cgroup").write_text("\n".join(lines) + "\n")

    def make(self, directory: str) -> None:
        """What mkdir(2) does in such a tree: the files of the parent's kind are there at once."""
        os.mkdir(directory)
        self.made.append(str(Path(directory).relative_to(self.point)))
        parts = Path(directory).relative_to(self.point).parts
        if parts[0] == "unified":
            given = (Path(directory).parent / "cgroup.subtree_control").read_text()
            self._fill(Path(directory), {"cgroup.controllers": given.replace("+", ""), **_V2})
            return
        for controller in parts[0].split("-"):
            self._fill(Path(directory), {"tasks": "", **_V1.get(controller, {})})

    def _top(self, name: str) -> Path:
        point = self.point / name
        point.mkdir(parents=True)
        return point

    @staticmethod
    def _fill(directory: Path, files: dict[str, str]) -> None:
        for name, text in files.items():
            (directory / name).write_text(text)
