# SPDX-License-Identifier: Apache-2.0
"""What of a guest's tuning is done to its threads, and what nothing here does."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.drivers.qemu.limits.threads import place_thread
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, system_failure
from virloom.host.topology import online_cpus
from virloom.model.cpuset import as_text, numbers_in
from virloom.model.domain import Domain, Scheduling
from virloom.xml import holds

if TYPE_CHECKING:
    from virloom.drivers.qemu.process.running import RunningGuest

ThreadKind = Literal["vcpu", "iothread"]
_NAMES: dict[ThreadKind, str] = {"vcpu": "vCPU", "iothread": "I/O thread"}

_POLICIES = {
    "batch": os.SCHED_BATCH,
    "idle": os.SCHED_IDLE,
    "fifo": os.SCHED_FIFO,
    "rr": os.SCHED_RR,
}


def refuse_unserved(dom: Domain) -> None:
    """Refuses to start a guest whose share of the host nobody would keep it to.

    Raises:
        ConfigUnsupported: With the paths of what is not served.
    """
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
    if holds(dom.qemu_capabilities):
        yield "domain/capabilities"
    if tune.cachetunes:
        yield "domain/cputune/cachetune"
    if tune.memorytunes:
        yield "domain/cputune/memorytune"
    if dom.resource is not None and dom.resource.fibrechannel.appid:
        yield "domain/resource/fibrechannel"


def wants_iothreads(dom: Domain) -> bool:
    """Whether the threads for input and output have to be told apart."""
    tune = dom.cputune
    given = tune.iothreadpins or tune.iothreadscheds or dom.vcpu.cpuset or tune.emulatorpins
    return bool(given) and bool(iothread_ids(dom))


def apply_tuning(
    dom: Domain, pid: int, vcpus: Mapping[int, int], iothreads: Mapping[int, int]
) -> None:
    """Puts every thread of a QEMU that does not run its guest yet where the document has it.

    Args:
        dom: The guest.
        pid: QEMU.
        vcpus: Thread of each vCPU by number.
        iothreads: Thread by number.

    Raises:
        SystemFailure: The host refuses; says which thread.
    """
    tune = dom.cputune
    everywhere = dom.vcpu.cpuset
    emulator = tune.emulatorpins[0].cpuset if tune.emulatorpins else everywhere
    if emulator is not None:
        for thread in _other_threads(pid, {*vcpus.values(), *iothreads.values()}):
            _pin(thread, emulator, "an emulator thread")
    pins = {pin.vcpu: pin.cpuset for pin in tune.vcpupins}
    for number, thread in vcpus.items():
        _pin(thread, pins.get(number, everywhere), f"vCPU {number}")
    pins = {pin.iothread: pin.cpuset for pin in tune.iothreadpins}
    for number, thread in iothreads.items():
        _pin(thread, pins.get(number, everywhere), f"I/O thread {number}")
    _schedule_all(dom, pid, vcpus, iothreads)


def _schedule_all(
    dom: Domain, pid: int, vcpus: Mapping[int, int], iothreads: Mapping[int, int]
) -> None:
    tune = dom.cputune
    for emulator in tune.emulatorscheds:
        _schedule(pid, emulator, "the emulator thread")
    for number, thread in vcpus.items():
        _schedule_as_said(dom, "vcpu", number, thread)
    for number, thread in iothreads.items():
        _schedule_as_said(dom, "iothread", number, thread)


def _schedule_as_said(dom: Domain, kind: ThreadKind, number: int, thread: int) -> None:
    tune = dom.cputune
    policies: list[tuple[Scheduling, str | None]]
    if kind == "vcpu":
        policies = [(sched, sched.vcpus) for sched in tune.vcpuscheds]
    else:
        policies = [(sched, sched.iothreads) for sched in tune.iothreadscheds]
    for sched, numbers in policies:
        if number in numbers_in(numbers or ""):
            _schedule(thread, sched, f"{_NAMES[kind]} {number}")


async def thread_added(running: RunningGuest, kind: ThreadKind, number: int, thread: int) -> None:
    """Puts a thread that a guest has got while it runs where the live document has it.

    It begins where the thread is that made it, which may be kept to few of the host's CPUs, and in
    its control groups.

    Raises:
        SystemFailure: The host refuses; says which thread.
        OperationInvalid: The guest has ended meanwhile.
    """
    await place_thread(running, kind, number, thread)
    dom = running.model
    tune = dom.cputune
    if kind == "vcpu":
        pins = {pin.vcpu: pin.cpuset for pin in tune.vcpupins}
    else:
        pins = {pin.iothread: pin.cpuset for pin in tune.iothreadpins}
    cpuset = pins.get(number) or dom.vcpu.cpuset or as_text(online_cpus())
    pin_thread(thread, cpuset, f"{_NAMES[kind]} {number}")
    _schedule_as_said(dom, kind, number, thread)


def pin_emulator(running: RunningGuest, cpuset: str, known: Collection[int]) -> None:
    """Keeps every thread of QEMU but the *known* ones to these CPUs; raises SystemFailure."""
    for thread in _other_threads(running.pid, set(known)):
        pin_thread(thread, cpuset, "an emulator thread")


def _other_threads(pid: int, known: set[int]) -> list[int]:
    """Threads of a process that are none of *known*."""
    found = {int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()}
    return sorted(found - known)


def _pin(thread: int, cpuset: str | None, what: str) -> None:
    if cpuset is not None:
        pin_thread(thread, cpuset, what)


def pin_thread(thread: int, cpuset: str, what: str) -> None:
    """Keeps a thread to these CPUs of the host.

    Raises:
        SystemFailure: The host refuses; *what* tells the thread.
    """
    try:
        os.sched_setaffinity(thread, numbers_in(cpuset))
    except OSError as exc:
        raise system_failure(
            f"cannot keep {what} to host CPUs {cpuset}", exc, domain=ErrorDomain.NONE
        ) from exc


def _schedule(thread: int, sched: Scheduling, what: str) -> None:
    policy = _POLICIES[sched.scheduler or "batch"]
    try:
        os.sched_setscheduler(thread, policy, os.sched_param(sched.priority or 0))
    except OSError as exc:
        raise system_failure(
            f"cannot schedule {what} as '{sched.scheduler}' with priority {sched.priority}", exc
        ) from exc
