# SPDX-License-Identifier: Apache-2.0
"""The limits of a document, as a guest starts with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.drivers.qemu.tuning.vcpus import present
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.host.cgroup.backend import UNLIMITED, BlockLimit, MemoryLimit
from virloom.host.cgroup.group import GuestGroups
from virloom.host.cgroup.layout import ThreadKind
from virloom.host.cgroup.mounts import Controller
from virloom.host.topology import read_topology
from virloom.model.cpuset import as_text, numbers_in
from virloom.model.domain import Blkiotune, Domain

#: By the names that elements of <cputune> begin with, what they are about.
THREADS: dict[str, ThreadKind] = {"": "vcpu", "emulator_": "emulator", "iothread_": "iothread"}

#: In the order in which they can be set from none at all.
MEMORY_LIMITS: tuple[MemoryLimit, ...] = ("hard_limit", "soft_limit", "swap_hard_limit")

#: In libvirt's order.
BLOCK_LIMITS: tuple[BlockLimit, ...] = (
    "weight",
    "read_iops_sec",
    "write_iops_sec",
    "read_bytes_sec",
    "write_bytes_sec",
)

#: Modes of <numatune> that the host has to keep the guest to.
_KEPT = ("strict", "restrictive")

_TITLES: dict[Controller, str] = {
    "cpu": "CPU tuning",
    "memory": "Memory tuning",
    "blkio": "Block I/O tuning",
    "cpuset": "NUMA tuning of mode 'restrictive'",
}


def refuse_unlimited(dom: Domain, groups: GuestGroups | None, *, session: bool) -> None:
    """Refuses to start a guest with limits that nobody here would keep it to.

    Args:
        session: The driver is an ordinary user's.

    Raises:
        ConfigUnsupported: Says which limit, and why.
    """
    if dom.memtune.min_guarantee:
        raise ConfigUnsupported(
            "Parameter 'min_guarantee' not supported by QEMU.", domain=ErrorDomain.QEMU
        )
    _check_nodes(dom)
    for controller, what in _wanted(dom):
        if groups is None or not groups.has(controller):
            why = "in session mode" if session else "on this host"
            raise ConfigUnsupported(
                f"{_TITLES[controller]} is not available {why}, and '{dom.name}' has {what}",
                domain=ErrorDomain.QEMU,
                remedy="" if session else f"control groups with the controller '{controller}'",
            )


def _wanted(dom: Domain) -> Iterator[tuple[Controller, str]]:
    """What the document asks of which controller."""
    tune = dom.cputune
    for prefix in ("global_", *THREADS):
        if getattr(tune, f"{prefix}period") or getattr(tune, f"{prefix}quota"):
            yield "cpu", f"<{prefix}period> or <{prefix}quota>"
    if tune.shares is not None:
        yield "cpu", "<shares>"
    for name in MEMORY_LIMITS:
        if getattr(dom.memtune, name) is not None:
            yield "memory", f"<{name}>"
    if dom.blkiotune.weight or dom.blkiotune.devices:
        yield "blkio", "<blkiotune>"
    if dom.numatune.memory.mode == "restrictive":
        yield "cpuset", "<numatune>"


def _check_nodes(dom: Domain) -> None:
    tune = dom.numatune
    texts = [tune.memory.nodeset, *(node.nodeset for node in tune.memnodes)]
    for text in texts:
        check_nodes(numbers_in(text) if text is not None else ())


def check_nodes(nodes: Iterable[int]) -> None:
    """Refuses nodes that the host has not.

    Raises:
        ConfigUnsupported: Names the first of them.
    """
    wanted = set(nodes)
    if not wanted:
        return
    missing = sorted(wanted - {cell.number for cell in read_topology().cells})
    if missing:
        raise ConfigUnsupported(f"NUMA node {missing[0]} is unavailable", domain=ErrorDomain.NONE)


def tells_threads_apart(dom: Domain) -> bool:
    """Whether kinds of threads have limits of their own."""
    tune = dom.cputune
    return any(
        getattr(tune, f"{prefix}{what}") for prefix in THREADS for what in ("period", "quota")
    )


def nodes_of(dom: Domain) -> str | None:
    """The host's nodes that a guest is kept to; None for all."""
    tune = dom.numatune
    sets = [node.nodeset for node in tune.memnodes if node.mode in _KEPT]
    if any(node.mode not in _KEPT for node in tune.memnodes):
        return None
    if tune.memory.mode in _KEPT:
        sets.append(tune.memory.nodeset)
    elif tune.memory.mode is not None or len(tune.memnodes) < len(dom.numa_cells):
        return None
    members = {number for text in sets if text is not None for number in numbers_in(text)}
    return as_text(members) if members else None


def apply_limits(groups: GuestGroups, dom: Domain) -> None:
    """Limits groups that nobody is in yet.

    Raises:
        VirloomError: The host does not take a limit.
    """
    tune = dom.cputune
    if tune.shares is not None:
        cpu = groups.place("cpu")
        cpu.backend.set_shares(cpu.directory, tune.shares)
    if tune.global_period or tune.global_quota:
        cpu = groups.place("cpu")
        cpu.backend.set_bandwidth(
            cpu.directory, tune.global_period or None, tune.global_quota or None
        )
    for kind in THREADS.values():
        limit_threads(groups, dom, kind, thread_numbers(dom, kind))
    for name in MEMORY_LIMITS:
        kib = getattr(dom.memtune, name)
        if kib is not None and kib < UNLIMITED:
            memory = groups.place("memory")
            memory.backend.set_memory(memory.directory, name, kib)
    _limit_devices(groups, dom.blkiotune)


def thread_numbers(dom: Domain, kind: ThreadKind) -> list[int | None]:
    """The threads of a kind that a guest starts with; the emulator has no number."""
    if kind == "emulator":
        return [None]
    if kind == "iothread":
        return list(iothread_ids(dom))
    return list(present(dom))


def limit_threads(
    groups: GuestGroups, dom: Domain, kind: ThreadKind, numbers: Iterable[int | None]
) -> None:
    """Limits groups of threads of one kind as the document has it.

    Raises:
        VirloomError: The host does not take a limit.
    """
    prefix = next(prefix for prefix, of in THREADS.items() if of == kind)
    period = getattr(dom.cputune, f"{prefix}period") or None
    quota = getattr(dom.cputune, f"{prefix}quota") or None
    nodes = nodes_of(dom)
    for number in numbers:
        for place, directory in groups.thread_places(kind, number):
            if "cpu" in place.controllers and (period or quota):
                place.backend.set_bandwidth(directory, period, quota)
            if "cpuset" in place.controllers and nodes is not None:
                place.backend.set_nodes(directory, nodes)


def _limit_devices(groups: GuestGroups, tune: Blkiotune) -> None:
    if not tune.weight and not tune.devices:
        return
    place = groups.place("blkio")
    if tune.weight:
        place.backend.set_weight(place.directory, tune.weight)
    for device in tune.devices:
        for limit in BLOCK_LIMITS:
            value: Any = getattr(device, limit)
            if value:
                place.backend.set_block_limit(place.directory, limit, device.path or "", value)
