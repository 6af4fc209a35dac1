# SPDX-License-Identifier: Apache-2.0
"""What the kernel counts of a guest: its process, its threads, its interfaces on the host."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid, VirloomError
from virloom.host.link_counters import LinkCounters, counters_of, counters_of_all
from virloom.model.domain import Interface

if TYPE_CHECKING:
    from virloom.host.netns import NetworkSpace

_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_total(running: RunningGuest) -> list[tuple[str, int]]:
    """Nanoseconds of QEMU: all, in user mode, in system mode; of its group if it has one."""
    if running.groups is not None and running.groups.has("cpuacct"):
        place = running.groups.place("cpuacct")
        try:
            total, user, system = place.backend.usage(place.directory)
        except VirloomError:  # it ends just now
            total, user, system = 0, 0, 0
        if total:
            return [("cpu_time", total), ("user_time", user), ("system_time", system)]
    user, system = running.cpu_times()
    return [("cpu_time", user + system), ("user_time", user), ("system_time", system)]


def vcpu_threads(running: RunningGuest) -> dict[int, int]:
    """The thread of each vCPU that is there, by number; the record has 0 for those that are not."""
    threads = enumerate(running.record.runtime.get("vcpu_threads", ()))
    return {number: int(thread) for number, thread in threads if thread}


def listed(threads: Mapping[int, int]) -> list[int]:
    """Threads of vCPUs as the record has them."""
    return [threads.get(number, 0) for number in range(max(threads, default=-1) + 1)]


def per_cpu(running: RunningGuest) -> list[dict[str, int]]:
    """Nanoseconds of a guest on each of the host's CPUs: all of it, and its vCPUs.

    Raises:
        OperationInvalid: It has no control group that counts.
        OperationUnsupported: That of version 2 does not tell CPUs apart.
    """
    if running.groups is None:
        raise OperationInvalid("cgroup CPUACCT controller is not mounted", domain=ErrorDomain.QEMU)
    place = running.groups.place("cpuacct")
    counted = [{"cpu_time": time} for time in place.backend.usage_per_cpu(place.directory)]
    for entry in counted:
        entry["vcpu_time"] = 0
    for directory in running.groups.threads_of("cpuacct", "vcpu"):
        for entry, time in zip(counted, place.backend.usage_per_cpu(directory), strict=False):
            entry["vcpu_time"] += time
    return counted


def _thread_stat(pid: int, thread: int) -> list[bytes]:
    """The fields after the name in ``/proc/PID/task/TID/stat`` (proc(5)); none if it is gone."""
    try:
        with open(f"/proc/{pid}/task/{thread}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return []
    return stat[stat.rindex(b")") + 2 :].split()


def thread_time(pid: int, thread: int) -> int:
    """Nanoseconds that a thread has run; 0 if it is gone."""
    fields = _thread_stat(pid, thread)
    return (int(fields[11]) + int(fields[12])) * _TICK if fields else 0


def last_cpu(pid: int, thread: int) -> int:
    """The host CPU that a thread ran on last; -1 if it is gone."""
    fields = _thread_stat(pid, thread)
    return int(fields[36]) if fields else -1


def run_delay(pid: int, thread: int) -> int:
    """Nanoseconds that a thread has waited for a CPU (sched-stats.rst); 0 where it is not told."""
    try:
        with open(f"/proc/{pid}/task/{thread}/schedstat", "rb") as file:
            return int(file.read().split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def run_wait(pid: int, thread: int) -> int:
    """Nanoseconds that a thread was ready to run and did not; 0 where the kernel does not tell.

    From ``wait_sum`` of ``/proc/PID/task/TID/sched``, in milliseconds there, which needs a kernel
    with scheduler statistics.
    """
    try:
        with open(f"/proc/{pid}/task/{thread}/sched", encoding="ascii", errors="replace") as file:
            lines = [line.partition(":") for line in file]
    except OSError:
        return 0
    for name, _, value in lines:
        if name.strip().endswith("wait_sum"):
            whole, _, part = value.strip().partition(".")
            return int(whole) * 1_000_000 + int(part.ljust(6, "0")[:6] or 0)
    return 0


def halt_polling(pid: int) -> tuple[int, int]:
    """Nanoseconds that KVM polled for a halted vCPU, with success and in vain; 0 without KVM."""
    totals = [0, 0]
    for vcpu in glob.iglob(f"/sys/kernel/debug/kvm/{pid}-*/vcpu*"):
        for index, name in enumerate(("halt_poll_success_ns", "halt_poll_fail_ns")):
            try:
                with open(f"{vcpu}/{name}", encoding="ascii") as file:
                    totals[index] += int(file.read())
            except (OSError, ValueError):  # not for us to read, or the vCPU has gone
                continue
    return totals[0], totals[1]


def affinity(thread: int, length: int) -> bytes:
    """The host CPUs that a thread may use, as a bit map of *length* bytes."""
    bits = bytearray(length)
    try:
        cpus = os.sched_getaffinity(thread)
    except OSError:
        return bytes(bits)
    for cpu in cpus:
        if cpu // 8 < length:
            bits[cpu // 8] |= 1 << (cpu % 8)
    return bytes(bits)


def resident(pid: int) -> int:
    """KiB of memory that a process has in RAM; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE // 1024
    except (OSError, IndexError):
        return 0


def links(space: NetworkSpace | None) -> dict[str, LinkCounters]:
    """What is counted of the links among which guests' cards are, by name.

    Args:
        space: Where they are; None for this process's own network.

    Raises:
        OSError: The kernel does not tell.
    """
    if space is None:
        return counters_of_all()
    if space.find() is None:
        return {}
    with space.entered():
        return counters_of_all()


def link(space: NetworkSpace | None, name: str) -> LinkCounters | None:
    """The same of one link; None where there is none of that name.

    Raises:
        OSError: The kernel does not tell.
    """
    if space is None:
        return counters_of(name)
    if space.find() is None:
        return None
    with space.entered():
        return counters_of(name)


def as_guest_sees(card: Interface, counted: LinkCounters) -> tuple[int, ...]:
    """Counters of a card's link: what the guest has received, and what it has sent.

    What a tap receives its guest has sent; a macvtap counts as its guest does.
    """
    if card.type == "direct":
        return *counted.received, *counted.sent
    return *counted.sent, *counted.received
