# SPDX-License-Identifier: Apache-2.0
"""Where a guest's figures come from: the kernel, and one pipelined round of the monitor."""

from __future__ import annotations

import asyncio
from typing import Any

from virloom.drivers.qemu.block.figures import Figure, block
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.drivers.qemu.process import usage
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.tuning.figures import counted_figures, iothread_figures
from virloom.drivers.qemu.tuning.flexible import taken
from virloom.enums.domain import DomainMemoryStatTags, DomainStatsTypes
from virloom.errors import VirloomError

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

BLOCK = int(DomainStatsTypes.BLOCK)

#: QEMU's names of what a measurement has come to, in libvirt's order of them.
_DIRTY_RATE_STATES = ("unstarted", "measuring", "measured")

#: A balloon that has heard nothing of the guest says so with all bits set.
_UNKNOWN = 2**64 - 1


async def ask(running: RunningGuest, wanted: int, *, backing: bool = False) -> dict[str, Any]:
    """QEMU's answers for the groups in *wanted*, by command; all are asked in one go.

    Args:
        backing: Ask for what is behind each disk too.

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
        if backing:
            queries["nodes"] = ("query-named-block-nodes", {"flat": True})
            queries["nodestats"] = ("query-blockstats", {"query-nodes": True})
    if wanted & DomainStatsTypes.DIRTYRATE:
        queries["dirty-rate"] = ("query-dirty-rate", {})
    if wanted & DomainStatsTypes.IOTHREAD and iothread_ids(running.model):
        queries["iothreads"] = ("query-iothreads", {})
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
    """The figures of ``virConnectGetAllDomainStats`` for one domain.

    Args:
        answers: QEMU's, by what was asked, and under ``links`` what is counted of the host's links.
    """
    figures: list[Figure] = []
    for group, tell in _GROUPS:
        if wanted & group:
            figures += tell(guest, answers)
    return figures


def _state(guest: Guest, answers: dict[str, Any]) -> list[Figure]:
    return [("state.state", "int", int(guest.state)), ("state.reason", "int", int(guest.reason))]


def _cpu(guest: Guest, answers: dict[str, Any]) -> list[Figure]:
    if guest.running is None:
        return [(f"cpu.{name}", "ullong", 0) for name in ("time", "user", "system")]
    figures: list[Figure] = [
        (f"cpu.{name.removeprefix('cpu_').removesuffix('_time')}", "ullong", value)
        for name, value in usage.cpu_total(guest.running)
    ]
    figures.append(("cpu.cache.monitor.count", "uint", 0))  # nobody can ask for monitors yet
    success, fail = usage.halt_polling(guest.running.pid)
    figures.append(("cpu.haltpoll.success.time", "ullong", success))
    figures.append(("cpu.haltpoll.fail.time", "ullong", fail))
    return figures


def _balloon(guest: Guest, answers: dict[str, Any]) -> list[Figure]:
    model = guest.model
    current = model.current_memory or model.memory or 0
    if "balloon" in answers:
        current = int(answers["balloon"]["actual"]) // 1024 + taken(model)
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
    figures.append(("balloon.rss", "ullong", usage.resident(guest.running.pid)))
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
    stats.append((int(DomainMemoryStatTags.RSS), usage.resident(running.pid)))
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
    pid = guest.running.pid
    for number, thread in usage.vcpu_threads(guest.running).items():
        prefix = f"vcpu.{number}"
        figures.append((f"{prefix}.state", "int", 1))  # VIR_VCPU_RUNNING
        figures.append((f"{prefix}.time", "ullong", usage.thread_time(pid, thread)))
        figures.append((f"{prefix}.wait", "ullong", usage.run_wait(pid, thread)))
        figures.append((f"{prefix}.delay", "ullong", usage.run_delay(pid, thread)))
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
        target = device.target.dev or ""
        counted = answers.get("links", {}).get(target)
        if counted is None:
            continue
        figures.append((f"net.{number}.name", "string", target))
        for name, value in zip(names, usage.as_guest_sees(device, counted), strict=True):
            figures.append((f"net.{number}.{name}", "ullong", value))
    return figures


def _iothreads(guest: Guest, answers: dict[str, Any]) -> list[Figure]:
    return iothread_figures(answers.get("iothreads", []))


def _counted(guest: Guest, answers: dict[str, Any]) -> list[Figure]:
    if guest.running is None:
        return []
    return counted_figures(guest.running.counters)


def _dirty_rate(guest: Guest, answers: dict[str, Any]) -> list[Figure]:
    """How fast the guest changes its memory, as last measured (``query-dirty-rate``)."""
    told = answers.get("dirty-rate")
    if told is None:
        return []
    figures: list[Figure] = [
        ("dirtyrate.calc_status", "int", _DIRTY_RATE_STATES.index(told["status"])),
        ("dirtyrate.calc_start_time", "llong", int(told["start-time"])),
        ("dirtyrate.calc_period", "int", int(told["calc-time"])),
        ("dirtyrate.calc_mode", "string", str(told.get("mode", "page-sampling"))),
    ]
    if "dirty-rate" in told:
        figures.append(("dirtyrate.megabytes_per_second", "llong", int(told["dirty-rate"])))
    return figures


#: Plain numbers: a thousand guests are asked for each group, and a member of an enum is slow.
_GROUPS = (
    (int(DomainStatsTypes.STATE), _state),
    (int(DomainStatsTypes.CPU_TOTAL), _cpu),
    (int(DomainStatsTypes.BALLOON), _balloon),
    (int(DomainStatsTypes.VCPU), _vcpu),
    (int(DomainStatsTypes.INTERFACE), _interfaces),
    (BLOCK, block),
    (int(DomainStatsTypes.PERF), _counted),
    (int(DomainStatsTypes.IOTHREAD), _iothreads),
    (int(DomainStatsTypes.DIRTYRATE), _dirty_rate),
)
