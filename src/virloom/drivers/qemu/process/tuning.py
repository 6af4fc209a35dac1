# SPDX-License-Identifier: Apache-2.0
"""What of a guest's tuning is done to its threads, and what nothing here does."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, system_failure
from virloom.model.cpuset import numbers_in
from virloom.model.domain import Domain, Scheduling
from virloom.xml import holds

_POLICIES = {
    "batch": os.SCHED_BATCH,
    "idle": os.SCHED_IDLE,
    "fifo": os.SCHED_FIFO,
    "rr": os.SCHED_RR,
}
#: Whose labels somebody here gives.
_MODELS = (None, "none", "dac")
#: What a control group would have to hold to.
_SHARES = (
    "shares",
    "period",
    "global_period",
    "emulator_period",
    "iothread_period",
    "quota",
    "global_quota",
    "emulator_quota",
    "iothread_quota",
)


def refuse_unserved(dom: Domain) -> None:
    """Refuses to start a guest whose share of the host nobody would keep it to.

    Raises:
        ConfigUnsupported: With the paths of what is not served.
    """
    for label in dom.seclabels:
        if label.type != "none" and label.model not in _MODELS:
            raise ConfigUnsupported(
                f"no security driver for model '{label.model}' of domain '{dom.name}'",
                domain=ErrorDomain.SECURITY,
            )
    paths = list(_unserved(dom))
    if paths:
        raise ConfigUnsupported(
            f"domain '{dom.name}' cannot start: nothing here serves {', '.join(paths)}",
            domain=ErrorDomain.QEMU,
        )


def _unserved(dom: Domain) -> Iterator[str]:
    if dom.vcpu.placement == "auto":
        yield "domain/vcpu with placement='auto', which asks numad"
    tune = dom.cputune
    for name in _SHARES:
        value = getattr(tune, name)
        if value is not None and value > 0:
            yield f"domain/cputune/{name}"
    for name in ("blkiotune", "memtune", "qemu_capabilities"):
        if holds(getattr(dom, name)):
            yield f"domain/{name.replace('qemu_', '')}"
    if tune.cachetunes:
        yield "domain/cputune/cachetune"
    if tune.memorytunes:
        yield "domain/cputune/memorytune"
    if any(event.enabled for event in dom.perf.events):
        yield "domain/perf"
    modes = [dom.numatune.memory.mode, *(node.mode for node in dom.numatune.memnodes)]
    if "restrictive" in modes:
        yield "domain/numatune with mode 'restrictive'"
    if dom.resource is not None and dom.resource.fibrechannel.appid:
        yield "domain/resource/fibrechannel"
    if dom.vcpus is not None and any(v.enabled and v.hotpluggable for v in dom.vcpus.vcpus):
        yield "domain/vcpus with a vCPU that is present and can be unplugged"


def wants_iothreads(dom: Domain) -> bool:
    """Whether the threads for input and output have to be told apart."""
    tune = dom.cputune
    given = tune.iothreadpins or tune.iothreadscheds or dom.vcpu.cpuset or tune.emulatorpins
    return bool(given) and bool(iothread_ids(dom))


def apply_tuning(dom: Domain, pid: int, vcpus: Sequence[int], iothreads: Mapping[int, int]) -> None:
    """Puts every thread of a QEMU that does not run its guest yet where the document has it.

    Args:
        dom: The guest.
        pid: QEMU.
        vcpus: Thread of each vCPU, in order.
        iothreads: Thread by number.

    Raises:
        SystemFailure: The host refuses; says which thread.
    """
    tune = dom.cputune
    everywhere = dom.vcpu.cpuset
    emulator = tune.emulatorpins[0].cpuset if tune.emulatorpins else everywhere
    if emulator is not None:
        for thread in _other_threads(pid, {*vcpus, *iothreads.values()}):
            _pin(thread, emulator, "an emulator thread")
    pins = {pin.vcpu: pin.cpuset for pin in tune.vcpupins}
    for number, thread in enumerate(vcpus):
        _pin(thread, pins.get(number, everywhere), f"vCPU {number}")
    pins = {pin.iothread: pin.cpuset for pin in tune.iothreadpins}
    for number, thread in iothreads.items():
        _pin(thread, pins.get(number, everywhere), f"I/O thread {number}")
    _schedule_all(dom, pid, vcpus, iothreads)


def _schedule_all(
    dom: Domain, pid: int, vcpus: Sequence[int], iothreads: Mapping[int, int]
) -> None:
    tune = dom.cputune
    for emulator in tune.emulatorscheds:
        _schedule(pid, emulator, "the emulator thread")
    for sched in tune.vcpuscheds:
        for number in numbers_in(sched.vcpus or ""):
            if number < len(vcpus):
                _schedule(vcpus[number], sched, f"vCPU {number}")
    for policy in tune.iothreadscheds:
        for number in numbers_in(policy.iothreads or ""):
            if number in iothreads:
                _schedule(iothreads[number], policy, f"I/O thread {number}")


def _other_threads(pid: int, known: set[int]) -> list[int]:
    """Threads of a process that are none of *known*."""
    found = {int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()}
    return sorted(found - known)


def _pin(thread: int, cpuset: str | None, what: str) -> None:
    if cpuset is None:
        return
    try:
        os.sched_setaffinity(thread, numbers_in(cpuset))
    except OSError as exc:
        raise system_failure(f"cannot keep {what} to host CPUs {cpuset}", exc) from exc


def _schedule(thread: int, sched: Scheduling, what: str) -> None:
    policy = _POLICIES[sched.scheduler or "batch"]
    try:
        os.sched_setscheduler(thread, policy, os.sched_param(sched.priority or 0))
    except OSError as exc:
        raise system_failure(
            f"cannot schedule {what} as '{sched.scheduler}' with priority {sched.priority}", exc
        ) from exc
