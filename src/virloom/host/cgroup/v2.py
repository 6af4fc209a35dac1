# SPDX-License-Identifier: Apache-2.0
"""Control groups, version 2 (the kernel's ``admin-guide/cgroup-v2``): one tree for all."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence

from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, OperationInvalid, OperationUnsupported
from virloom.host.cgroup.backend import (
    UNLIMITED,
    Bandwidth,
    BlockLimit,
    MemoryLimit,
    Usage,
    device_number,
)
from virloom.host.cgroup.devices import DeviceRule
from virloom.host.cgroup.files import read, read_text, write, write_text

logger = logging.getLogger(__name__)

_SHARES = (1, 10000)
_MEMORY: Mapping[MemoryLimit, str] = {
    "hard_limit": "memory.max",
    "soft_limit": "memory.high",
    "swap_hard_limit": "memory.swap.max",
}
_THROTTLES: Mapping[BlockLimit, str] = {
    "read_iops_sec": "riops",
    "write_iops_sec": "wiops",
    "read_bytes_sec": "rbps",
    "write_bytes_sec": "wbps",
}
_WEIGHTS = ("io.weight", "io.bfq.weight")
#: Groups for single threads can only have these.
_OF_THREADS = frozenset({"cpu", "cpuset"})
_WANTED = ("cpu", "cpuset", "memory", "io")


class V2:
    """The files of version 2."""

    process_file = "cgroup.procs"
    thread_file = "cgroup.threads"

    def hand_down(self, parent: str, *, threads: bool) -> None:
        """What it cannot have (real-time tasks keep "cpu" away, say) is done without."""
        have = read(f"{parent}/cgroup.controllers").split()
        given = read(f"{parent}/cgroup.subtree_control").split()
        missing = [name for name in _WANTED if name in have and name not in given]
        wanted = [f"+{name}" for name in missing if not threads or name in _OF_THREADS]
        file = f"{parent}/cgroup.subtree_control"
        if not wanted:
            return
        try:
            write_text(file, " ".join(wanted))
        except OSError:  # one of them is the reason
            for name in wanted:
                try:
                    write_text(file, name)
                except OSError as exc:
                    logger.info("'%s' of '%s' cannot be had: %s", name, parent, exc)

    def prepare(self, parent: str, group: str, *, threads: bool) -> None:
        del parent
        if threads:
            write(f"{group}/cgroup.type", "threaded")

    def shares(self, group: str) -> int:
        return int(read(f"{group}/cpu.weight"))

    def set_shares(self, group: str, value: int) -> None:
        low, high = _SHARES
        if not low <= value <= high:
            raise InvalidArg(
                f"shares '{value}' are not from {low} to {high}", domain=ErrorDomain.CGROUP
            )
        write(f"{group}/cpu.weight", str(value))

    def bandwidth(self, group: str) -> Bandwidth:
        quota, period = read(f"{group}/cpu.max").split()
        return Bandwidth(int(period), -1 if quota == "max" else int(quota))

    def set_bandwidth(self, group: str, period: int | None, quota: int | None) -> None:
        before = self.bandwidth(group)
        period = before.period if period is None else period
        quota = before.quota if quota is None else quota
        write(f"{group}/cpu.max", f"{'max' if quota < 0 else quota} {period}")

    def memory(self, group: str, limit: MemoryLimit) -> int:
        """With swap, the limit of memory is part of it here as it is in version 1."""
        kib = _kib(read(f"{group}/{_MEMORY[limit]}"))
        if limit != "swap_hard_limit" or kib == UNLIMITED:
            return kib
        return min(kib + self.memory(group, "hard_limit"), UNLIMITED)

    def set_memory(self, group: str, limit: MemoryLimit, kib: int) -> None:
        if limit == "swap_hard_limit" and kib < UNLIMITED:
            kib -= self.memory(group, "hard_limit")
            if kib < 0:
                raise InvalidArg(
                    "swap_hard_limit counts memory as well, and is below hard_limit",
                    domain=ErrorDomain.CGROUP,
                )
        write(f"{group}/{_MEMORY[limit]}", "max" if kib >= UNLIMITED else str(kib * 1024))

    def set_nodes(self, group: str, nodes: str) -> None:
        write(f"{group}/cpuset.mems", nodes)

    def weight(self, group: str) -> int:
        for line in read(_weights(group)).splitlines():
            name, _, value = line.rpartition(" ")
            if name in ("", "default"):
                return int(value)
        return 100

    def set_weight(self, group: str, value: int) -> None:
        write(_weights(group), f"default {value}")

    def set_block_limit(self, group: str, limit: BlockLimit, device: str, value: int) -> None:
        number = device_number(device)
        if limit == "weight":
            write(_weights(group), f"{number} {value or 'default'}")
        else:
            write(f"{group}/io.max", f"{number} {_THROTTLES[limit]}={value or 'max'}")

    def usage(self, group: str) -> Usage:
        counted = dict(line.split() for line in read(f"{group}/cpu.stat").splitlines())
        total, user, system = (
            int(counted[f"{name}_usec"]) * 1000 for name in ("usage", "user", "system")
        )
        return Usage(total, user, system)

    def usage_per_cpu(self, group: str) -> Sequence[int]:
        raise OperationUnsupported(
            "control groups of version 2 do not count processor time by host CPU",
            domain=ErrorDomain.CGROUP,
        )

    def set_devices(self, group: str, rules: Sequence[DeviceRule]) -> None:
        """Where the kernel takes no such program, all devices stay usable, as with libvirt."""
        from virloom.host.cgroup.device_program import attach  # takes ctypes along

        try:
            attach(group, rules)
        except OSError as exc:
            logger.warning("devices of '%s' are not restricted: %s", group, exc)


def _kib(text: str) -> int:
    return UNLIMITED if text == "max" else min(int(text) // 1024, UNLIMITED)


def _weights(group: str) -> str:
    """The file of weights.

    Raises:
        OperationInvalid: The kernel has none.
    """
    for name in _WEIGHTS:
        path = f"{group}/{name}"
        if os.path.exists(path) and read_text(path):
            return path
    raise OperationInvalid(
        "weights of block I/O need the scheduler BFQ or the controller's own model, and the host "
        "has neither",
        domain=ErrorDomain.CGROUP,
    )
