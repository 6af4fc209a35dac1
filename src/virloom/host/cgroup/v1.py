# SPDX-License-Identifier: Apache-2.0
"""Control groups, version 1 (the kernel's ``admin-guide/cgroup-v1``): a tree per controller."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, OperationInvalid
from virloom.host.cgroup.backend import (
    UNLIMITED,
    Bandwidth,
    BlockLimit,
    MemoryLimit,
    Usage,
    device_number,
)
from virloom.host.cgroup.devices import DeviceRule
from virloom.host.cgroup.files import read, read_text, write

_SHARES = (2, 262144)
_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
#: KiB of the largest page: no limit is the largest number of whole ones.
_BIG_PAGE = 64
_MEMORY: Mapping[MemoryLimit, str] = {
    "hard_limit": "memory.limit_in_bytes",
    "soft_limit": "memory.soft_limit_in_bytes",
    "swap_hard_limit": "memory.memsw.limit_in_bytes",
}
_THROTTLES: Mapping[BlockLimit, str] = {
    "read_iops_sec": "blkio.throttle.read_iops_device",
    "write_iops_sec": "blkio.throttle.write_iops_device",
    "read_bytes_sec": "blkio.throttle.read_bps_device",
    "write_bytes_sec": "blkio.throttle.write_bps_device",
}
#: Of the CFQ scheduler, which kernels before 5.0 had, and of BFQ.
_WEIGHTS = ("blkio.weight", "blkio.bfq.weight")
_DEVICE_WEIGHTS = ("blkio.weight_device", "blkio.bfq.weight_device")


class V1:
    """The files of version 1."""

    # Not cgroup.procs: who moves itself as a single thread waits for nobody (kernels from 5.4),
    # else the kernel stands still for some ten milliseconds.
    process_file = "tasks"
    thread_file = "tasks"

    def hand_down(self, parent: str, *, threads: bool) -> None:
        """They have."""

    def prepare(self, parent: str, group: str, *, threads: bool) -> None:
        """A set of processors is empty at first, and nobody can join it so."""
        del threads
        for name in ("cpuset.mems", "cpuset.cpus"):
            try:
                given = read_text(f"{parent}/{name}")
            except FileNotFoundError:
                return  # another controller
            write(f"{group}/{name}", given)

    def shares(self, group: str) -> int:
        return int(read(f"{group}/cpu.shares"))

    def set_shares(self, group: str, value: int) -> None:
        low, high = _SHARES
        if not low <= value <= high:
            raise InvalidArg(
                f"shares '{value}' are not from {low} to {high}", domain=ErrorDomain.CGROUP
            )
        write(f"{group}/cpu.shares", str(value))

    def bandwidth(self, group: str) -> Bandwidth:
        period = int(read(f"{group}/cpu.cfs_period_us"))
        return Bandwidth(period, int(read(f"{group}/cpu.cfs_quota_us")))

    def set_bandwidth(self, group: str, period: int | None, quota: int | None) -> None:
        if period is not None:
            write(f"{group}/cpu.cfs_period_us", str(period))
        if quota is not None:
            write(f"{group}/cpu.cfs_quota_us", str(max(quota, -1)))

    def memory(self, group: str, limit: MemoryLimit) -> int:
        kib = int(read(f"{group}/{_MEMORY[limit]}")) // 1024
        return UNLIMITED if kib > UNLIMITED - _BIG_PAGE else kib

    def set_memory(self, group: str, limit: MemoryLimit, kib: int) -> None:
        value = -1 if kib >= UNLIMITED else kib * 1024
        write(f"{group}/{_MEMORY[limit]}", str(value))

    def set_nodes(self, group: str, nodes: str) -> None:
        write(f"{group}/cpuset.mems", nodes)

    def weight(self, group: str) -> int:
        text = read(f"{group}/{_present(group, _WEIGHTS)}")
        return int(text.split()[-1])  # CFQ: a number; BFQ may put "default" before it

    def set_weight(self, group: str, value: int) -> None:
        write(f"{group}/{_present(group, _WEIGHTS)}", str(value))

    def set_block_limit(self, group: str, limit: BlockLimit, device: str, value: int) -> None:
        file = _THROTTLES.get(limit) or _present(group, _DEVICE_WEIGHTS)
        number = device_number(device)
        text = "default" if limit == "weight" and value == 0 and ".bfq." in file else str(value)
        write(f"{group}/{file}", f"{number} {text}")

    def usage(self, group: str) -> Usage:
        counted = dict(line.split() for line in read(f"{group}/cpuacct.stat").splitlines())
        user, system = (int(counted[name]) * _TICK for name in ("user", "system"))
        return Usage(int(read(f"{group}/cpuacct.usage")), user, system)

    def usage_per_cpu(self, group: str) -> Sequence[int]:
        return [int(word) for word in read(f"{group}/cpuacct.usage_percpu").split()]

    def set_devices(self, group: str, rules: Sequence[DeviceRule]) -> None:
        present = read(f"{group}/devices.list").splitlines()
        if any(line.startswith("a ") for line in present):
            write(f"{group}/devices.deny", "a")
            present = []
        wanted = [str(rule) for rule in rules]
        for line in present:
            if line not in wanted:
                write(f"{group}/devices.deny", line)
        for line in wanted:
            if line not in present:
                write(f"{group}/devices.allow", line)


def _present(group: str, names: Sequence[str]) -> str:
    """The first of *names* that the kernel has.

    Raises:
        OperationInvalid: It has none.
    """
    for name in names:
        if os.path.exists(f"{group}/{name}"):
            return name
    raise OperationInvalid(
        "weights of block I/O need the scheduler BFQ or CFQ, and the host has neither",
        domain=ErrorDomain.CGROUP,
    )
