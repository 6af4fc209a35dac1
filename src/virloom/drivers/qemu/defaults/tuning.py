# SPDX-License-Identifier: Apache-2.0
"""Defaults and order of ``<blkiotune>``, ``<cputune>`` and ``<numatune>``."""

from __future__ import annotations

from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.model.cpuset import as_text, numbers_in
from virloom.model.domain import (
    Cachetune,
    Cputune,
    Domain,
    IoThreadScheduling,
    Memorytune,
    NumaMemory,
    Scheduling,
    VcpuScheduling,
)
from virloom.model.units import largest_unit, scaled

_LIMITS = ("weight", "read_iops_sec", "write_iops_sec", "read_bytes_sec", "write_bytes_sec")
_TIMES = ("", "global_", "emulator_", "iothread_")
_CACHE_TYPES = ("both", "code", "data")


def fill_tuning(dom: Domain) -> None:
    """Zeros are nothing said, and entries of one thread each stand in the threads' order."""
    _fill_blkiotune(dom)
    _fill_memory(dom)
    tune = dom.cputune
    for prefix in _TIMES:
        for name in (f"{prefix}period", f"{prefix}quota"):
            setattr(tune, name, getattr(tune, name) or None)
    _fill_pins(dom, tune)
    _fill_schedules(dom, tune)
    _fill_resctrl(dom, tune)
    _fill_numatune(dom)


def _fill_blkiotune(dom: Domain) -> None:
    tune = dom.blkiotune
    tune.weight = tune.weight or None
    for device in tune.devices:
        for name in _LIMITS:
            setattr(device, name, getattr(device, name) or None)
    tune.devices = [d for d in tune.devices if any(getattr(d, name) for name in _LIMITS)]


def _fill_memory(dom: Domain) -> None:
    backing = dom.memory_backing
    backing.allocation.threads = backing.allocation.threads or None
    numa = dom.numa_cells
    if backing.hugepages is not None and not numa:
        for page in backing.hugepages.pages:
            # A guest without nodes is node 0 as a whole.
            if page.nodeset == "0":
                page.nodeset = None


def _fill_pins(dom: Domain, tune: Cputune) -> None:
    vcpus = dom.vcpu.value or 1
    kept = [pin for pin in tune.vcpupins if pin.vcpu is not None and pin.vcpu < vcpus]
    tune.vcpupins = sorted(kept, key=lambda pin: pin.vcpu or 0)
    if tune.iothreadpins:
        order = {number: place for place, number in enumerate(iothread_ids(dom))}
        tune.iothreadpins.sort(key=lambda pin: order.get(pin.iothread or 0, 0))


def _fill_schedules(dom: Domain, tune: Cputune) -> None:
    scheds: list[Scheduling] = [
        *tune.emulatorscheds,
        *tune.vcpuscheds,
        *tune.iothreadscheds,
    ]
    for sched in scheds:
        if sched.scheduler in ("batch", "idle"):
            sched.priority = None
    vcpus = {n: sched for sched in tune.vcpuscheds for n in numbers_in(sched.vcpus or "0")}
    tune.vcpuscheds = [
        VcpuScheduling(vcpus=str(n), scheduler=vcpus[n].scheduler, priority=vcpus[n].priority)
        for n in sorted(vcpus)
    ]
    if not tune.iothreadscheds:
        return
    threads = {n: s for s in tune.iothreadscheds for n in numbers_in(s.iothreads or "0")}
    tune.iothreadscheds = [_of_iothread(n, threads[n]) for n in iothread_ids(dom) if n in threads]


def _of_iothread(number: int, sched: IoThreadScheduling) -> IoThreadScheduling:
    return IoThreadScheduling(
        iothreads=str(number), scheduler=sched.scheduler, priority=sched.priority
    )


def _fill_resctrl(dom: Domain, tune: Cputune) -> None:
    vcpus = range(dom.vcpu.value or 1)
    tune.cachetunes = [t for t in tune.cachetunes if _restrict(t, vcpus) and _orders_cache(t)]
    tune.memorytunes = [t for t in tune.memorytunes if _restrict(t, vcpus)]
    for group in tune.memorytunes:
        group.nodes.sort(key=lambda node: node.id or 0)
    tune.memorytunes = [t for t in tune.memorytunes if t.nodes or t.monitors]


def _restrict(group: Cachetune | Memorytune, vcpus: range) -> bool:
    """Leaves the vCPUs that there are; False if there are none of the group."""
    kept = [n for n in numbers_in(group.vcpus or "0") if n in vcpus]
    group.vcpus = as_text(kept)
    return bool(kept)


def _orders_cache(group: Cachetune) -> bool:
    for cache in group.caches:
        size = scaled(str(cache.size or 0), cache.unit, default=1024, limit=(1 << 64) - 1)
        text, cache.unit = largest_unit(size)
        cache.size = int(text)
    group.caches.sort(
        key=lambda cache: (cache.level, _CACHE_TYPES.index(cache.type or "both"), cache.id)
    )
    return bool(group.caches or group.monitors)


def _fill_numatune(dom: Domain) -> None:
    tune, vcpu = dom.numatune, dom.vcpu
    memory = tune.memory
    tune.memnodes.sort(key=lambda node: node.cellid or 0)
    for node in tune.memnodes:
        node.mode = node.mode or "strict"
    if vcpu.placement == "auto":
        vcpu.cpuset = None
    said = memory.mode or memory.nodeset or memory.placement
    if not said:
        if vcpu.placement == "auto":
            tune.memory = NumaMemory(mode="strict", placement="auto")
        return
    memory.mode = memory.mode or "strict"
    if memory.placement is None and memory.nodeset is None:
        memory.placement = "auto"
    if memory.placement == "auto":
        memory.nodeset = None
        if vcpu.cpuset is None:
            vcpu.placement = "auto"
    else:
        memory.placement = None
