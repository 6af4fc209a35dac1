# SPDX-License-Identifier: Apache-2.0
"""Where a guest's figures come from: the kernel, and one pipelined round of the monitor."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from virloom.drivers.qemu.block.image import read_head
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.process.resources import alias_of, image_path
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.domain import DomainMemoryStatTags, DomainStatsTypes
from virloom.errors import VirloomError

#: A figure: name, libvirt's type of it, value.
Figure = tuple[str, str, int | str]

_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

#: Typed parameters of ``virDomainBlockStatsFlags`` and QEMU's names of them (qapi/block-core.json).
BLOCK_PARAMETERS = (
    ("rd_operations", "rd_operations"),
    ("rd_bytes", "rd_bytes"),
    ("rd_total_times", "rd_total_time_ns"),
    ("wr_operations", "wr_operations"),
    ("wr_bytes", "wr_bytes"),
    ("wr_total_times", "wr_total_time_ns"),
    ("flush_operations", "flush_operations"),
    ("flush_total_times", "flush_total_time_ns"),
)

_BLOCK_BULK = (
    ("rd.reqs", "rd_operations"),
    ("rd.bytes", "rd_bytes"),
    ("rd.times", "rd_total_time_ns"),
    ("wr.reqs", "wr_operations"),
    ("wr.bytes", "wr_bytes"),
    ("wr.times", "wr_total_time_ns"),
    ("fl.reqs", "flush_operations"),
    ("fl.times", "flush_total_time_ns"),
)

#: The guest's own figures, told by its balloon driver (``guest-stats``, virtio 1.1, 5.5.6.3):
#: name there, libvirt's tag, bytes of a unit (libvirt counts memory in KiB), name in bulk.
_GUEST_MEMORY = (
    ("stat-swap-in", DomainMemoryStatTags.SWAP_IN, 1024, "swap_in"),
    ("stat-swap-out", DomainMemoryStatTags.SWAP_OUT, 1024, "swap_out"),
    ("stat-major-faults", DomainMemoryStatTags.MAJOR_FAULT, 1, "major_fault"),
    ("stat-minor-faults", DomainMemoryStatTags.MINOR_FAULT, 1, "minor_fault"),
    ("stat-free-memory", DomainMemoryStatTags.UNUSED, 1024, "unused"),
    ("stat-total-memory", DomainMemoryStatTags.AVAILABLE, 1024, "available"),
    ("stat-available-memory", DomainMemoryStatTags.USABLE, 1024, "usable"),
    ("stat-disk-caches", DomainMemoryStatTags.DISK_CACHES, 1024, "disk_caches"),
    ("stat-htlb-pgalloc", DomainMemoryStatTags.HUGETLB_PGALLOC, 1, "hugetlb_pgalloc"),
    ("stat-htlb-pgfail", DomainMemoryStatTags.HUGETLB_PGFAIL, 1, "hugetlb_pgfail"),
)

#: A balloon that has heard nothing of the guest says so with all bits set.
_UNKNOWN = 2**64 - 1


async def ask(running: RunningGuest, wanted: int) -> dict[str, Any]:
    """QEMU's answers for the groups in *wanted*, by command; all are asked in one go.

    A query that this guest's devices do not answer (a balloon without a driver) is left out.

    Raises:
        VirloomError: The monitor is lost.
    """
    queries: dict[str, tuple[str, dict[str, Any]]] = {}
    balloon = running.model.devices.memballoon
    if wanted & DomainStatsTypes.BALLOON and balloon is not None and balloon.model != "none":
        queries["balloon"] = ("query-balloon", {})
        path = f"/machine/peripheral/{alias_of(balloon)}"
        queries["guest-stats"] = ("qom-get", {"path": path, "property": "guest-stats"})
    if wanted & DomainStatsTypes.BLOCK and running.model.devices.disks:
        queries["blockstats"] = ("query-blockstats", {})
        queries["block"] = ("query-block", {})
    results = await asyncio.gather(
        *(running.execute(command, arguments) for command, arguments in queries.values()),
        return_exceptions=True,
    )
    running.require_current()
    answers = {}
    for name, result in zip(queries, results, strict=True):
        if not isinstance(result, BaseException):
            answers[name] = result
        elif not isinstance(result, VirloomError):
            raise result
    return answers


def bulk(guest: Guest, wanted: int, answers: dict[str, Any]) -> list[Figure]:
    """The figures of ``virConnectGetAllDomainStats`` for one domain."""
    groups = (
        (DomainStatsTypes.STATE, _state),
        (DomainStatsTypes.CPU_TOTAL, _cpu),
        (DomainStatsTypes.BALLOON, _balloon),
        (DomainStatsTypes.VCPU, _vcpu),
        (DomainStatsTypes.INTERFACE, _interfaces),
        (DomainStatsTypes.BLOCK, _block),
    )
    figures: list[Figure] = []
    for group, tell in groups:
        if wanted & group:
            figures += tell(guest, answers)
    return figures


def _state(guest: Guest, answers: dict[str, Any]) -> list[Figure]:
    return [("state.state", "int", int(guest.state)), ("state.reason", "int", int(guest.reason))]


def _cpu(guest: Guest, answers: dict[str, Any]) -> list[Figure]:
    if guest.running is None:
        return []
    return [
        (f"cpu.{name.removeprefix('cpu_').removesuffix('_time')}", "ullong", value)
        for name, value in cpu_total(guest.running)
    ]


def _balloon(guest: Guest, answers: dict[str, Any]) -> list[Figure]:
    model = guest.model
    current = model.current_memory or model.memory or 0
    if "balloon" in answers:
        current = int(answers["balloon"]["actual"]) // 1024
    figures: list[Figure] = [
        ("balloon.current", "ullong", current),
        ("balloon.maximum", "ullong", model.memory or 0),
    ]
    if guest.running is None:
        return figures
    told, when = _guest_memory(answers)
    names = {int(tag): name for _, tag, _, name in _GUEST_MEMORY}
    figures += [(f"balloon.{names[tag]}", "ullong", value) for tag, value in told]
    if when is not None:
        figures.append(("balloon.last-update", "ullong", when))
    figures.append(("balloon.rss", "ullong", resident(guest.running.pid)))
    return figures


def _guest_memory(answers: dict[str, Any]) -> tuple[list[tuple[int, int]], int | None]:
    """(tag, value) of what the guest has told, and when it did."""
    told = answers.get("guest-stats") or {}
    stats = told.get("stats", {})
    found = [
        (int(tag), int(stats[key]) // unit)
        for key, tag, unit, _ in _GUEST_MEMORY
        if key in stats and 0 <= int(stats[key]) < _UNKNOWN
    ]
    return found, int(told["last-update"]) if "last-update" in told else None


def memory(running: RunningGuest, answers: dict[str, Any]) -> list[tuple[int, int]]:
    """(tag, value) of ``virDomainMemoryStats``; memory in KiB."""
    current = running.model.current_memory or running.model.memory or 0
    if "balloon" in answers:
        current = int(answers["balloon"]["actual"]) // 1024
    told, when = _guest_memory(answers)
    stats = [(int(DomainMemoryStatTags.ACTUAL_BALLOON), current), *told]
    if when is not None:
        stats.append((int(DomainMemoryStatTags.LAST_UPDATE), when))
    stats.append((int(DomainMemoryStatTags.RSS), resident(running.pid)))
    return stats


def _vcpu(guest: Guest, answers: dict[str, Any]) -> list[Figure]:
    vcpu = guest.model.vcpu
    maximum = vcpu.value or 1
    current = vcpu.current or maximum
    figures: list[Figure] = [
        ("vcpu.current", "uint", current),
        ("vcpu.maximum", "uint", maximum),
    ]
    if guest.running is None:
        return figures
    for number, thread in enumerate(vcpu_threads(guest.running)):
        figures.append((f"vcpu.{number}.state", "int", 1))  # VIR_VCPU_RUNNING
        figures.append((f"vcpu.{number}.time", "ullong", thread_time(guest.running.pid, thread)))
        figures.append((f"vcpu.{number}.delay", "ullong", run_delay(guest.running.pid, thread)))
    return figures


def _interfaces(guest: Guest, answers: dict[str, Any]) -> list[Figure]:
    interfaces = guest.model.devices.interfaces
    if guest.running is None or not interfaces:
        return []
    figures: list[Figure] = [("net.count", "uint", len(interfaces))]
    names = (
        "rx.bytes", "rx.pkts", "rx.errs", "rx.drop", "tx.bytes", "tx.pkts", "tx.errs", "tx.drop",
    )  # fmt: skip
    for number, device in enumerate(interfaces):
        target = device.target.dev
        if not target:
            continue
        figures.append((f"net.{number}.name", "string", target))
        for name, value in zip(names, interface(target), strict=True):
            figures.append((f"net.{number}.{name}", "ullong", value))
    return figures


def _block(guest: Guest, answers: dict[str, Any]) -> list[Figure]:
    disks = guest.model.devices.disks
    if guest.running is None or not disks:
        return []
    figures: list[Figure] = [("block.count", "uint", len(disks))]
    stats = _block_stats(answers)
    for number, disk in enumerate(disks):
        prefix = f"block.{number}"
        figures.append((f"{prefix}.name", "string", disk.target.dev or ""))
        path = image_path(disk)
        if path:
            figures.append((f"{prefix}.path", "string", path))
        if disk.source.index is not None:
            figures.append((f"{prefix}.backingIndex", "uint", disk.source.index))
        alias = alias_of(disk)
        for name, key in _BLOCK_BULK:
            if alias in stats:
                figures.append((f"{prefix}.{name}", "ullong", int(stats[alias][key])))
        for name, value in block_sizes(answers, alias).items():
            figures.append((f"{prefix}.{name}", "ullong", value))
        if path:
            figures += _physical(prefix, path)
    return figures


def _physical(prefix: str, path: str) -> list[Figure]:
    try:
        return [(f"{prefix}.physical", "ullong", image_size(path)[1])]
    except OSError:
        return []  # the file may be gone while QEMU has it open


def _block_stats(answers: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """QEMU's counters by alias of the disk."""
    return {
        device_of(str(item.get("qdev", ""))): item["stats"]
        for item in answers.get("blockstats", ())
    }


def device_of(qdev: str) -> str:
    """The alias in a QOM path: ``/machine/peripheral/virtio-disk0/virtio-backend``."""
    parts = [part for part in qdev.split("/") if part]
    if "peripheral" in parts:
        return parts[parts.index("peripheral") + 1]
    return qdev


def block_sizes(answers: dict[str, Any], alias: str) -> dict[str, int]:
    """Highest byte written and size that the guest sees, of the disk with this alias."""
    sizes: dict[str, int] = {}
    for item in answers.get("blockstats", ()):
        if device_of(str(item.get("qdev", ""))) == alias:
            parent = item.get("parent", {}).get("stats", item["stats"])
            sizes["allocation"] = int(parent.get("wr_highest_offset", 0))
    for item in answers.get("block", ()):
        if device_of(str(item.get("qdev", ""))) == alias and "inserted" in item:
            sizes["capacity"] = int(item["inserted"]["image"]["virtual-size"])
    return sizes


def block_total(answers: dict[str, Any], wanted: list[str]) -> dict[str, int]:
    """The counters of the disks with these aliases, or of all, added up."""
    total = {key: 0 for _, key in BLOCK_PARAMETERS}
    for alias, stats in _block_stats(answers).items():
        if not wanted or alias in wanted:
            for key in total:
                total[key] += int(stats[key])
    return total


# -- the kernel's figures ----------------------------------------------------------------------


def cpu_total(running: RunningGuest) -> list[tuple[str, int]]:
    """Nanoseconds of QEMU: all, in user mode, in system mode."""
    user, system = running.cpu_times()
    return [("cpu_time", user + system), ("user_time", user), ("system_time", system)]


def vcpu_threads(running: RunningGuest) -> list[int]:
    """The thread of each vCPU, in order."""
    return [int(thread) for thread in running.record.runtime.get("vcpu_threads", ())]


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


def interface(name: str) -> tuple[int, ...]:
    """Counters of a tap as its guest sees them: what the host receives, the guest has sent."""
    order = (
        "tx_bytes", "tx_packets", "tx_errors", "tx_dropped",
        "rx_bytes", "rx_packets", "rx_errors", "rx_dropped",
    )  # fmt: skip
    values = []
    for counter in order:
        with open(f"/sys/class/net/{name}/statistics/{counter}", encoding="ascii") as file:
            values.append(int(file.read()))
    return tuple(values)


def image_size(path: str) -> tuple[int, int]:
    """Bytes that an image occupies and bytes that it is long; a block device has only the second.

    Raises:
        OSError: It cannot be looked at.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(fd)
        length = os.lseek(fd, 0, os.SEEK_END)
    finally:
        os.close(fd)
    return status.st_blocks * 512 or length, length


def capacity_of(path: str, image_format: str | None) -> int:
    """Bytes that a guest sees of an image that no guest runs on."""
    head = read_head(path)
    if image_format == "qcow2":
        # docs/interop/qcow2.txt: bytes 24 to 31 of the header are the virtual size.
        return int.from_bytes(head.data[24:32], "big")
    return image_size(path)[1]
