# SPDX-License-Identifier: Apache-2.0
"""From a QEMU that answers to a guest that runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.drivers.qemu.limits.settling import Newcomer, Threads
from virloom.drivers.qemu.limits.threads import needs_threads_first
from virloom.drivers.qemu.locks.guest import GuestLeases
from virloom.drivers.qemu.process import channels, live, usage
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.start import Start
from virloom.drivers.qemu.process.steps import LOADED, reached
from virloom.drivers.qemu.process.supervise import Supervisor
from virloom.drivers.qemu.process.tuning import apply_tuning, wants_iothreads
from virloom.drivers.qemu.tuning.plug import plug_at_start
from virloom.drivers.runtime.turns import let_others
from virloom.enums.domain import (
    DomainEventID,
    DomainEventStartedDetailType,
    DomainEventSuspendedDetailType,
    DomainEventType,
    DomainPausedReason,
    DomainRunningReason,
    DomainState,
)
from virloom.xml import FormatFlags, format_document, holds

if TYPE_CHECKING:
    from virloom.drivers.qemu.saving.restore import Incoming
    from virloom.drivers.qemu.snapshots.internal import KeptState


async def bring_up(start: Start, questions: live.Questions) -> RunningGuest:
    """Completes the live document, and lets the guest go unless it is to be paused.

    Args:
        questions: What QEMU has been asked already.

    Raises:
        VirloomError: QEMU refuses something, or has died.
    """
    guest, record = start.guest, start.record
    assert start.process is not None
    assert start.monitor is not None
    assert start.log is not None
    answers = await live.answers_to(questions, start.monitor, start.model)
    await let_others()
    live.fill_in(start.model, start.id, answers)
    if answers.asked_cpu is not None:
        text = format_document(answers.asked_cpu, FormatFlags.STATUS)
        record.runtime["asked_cpu"] = text
    threads = await plug_at_start(start.monitor, start.model, answers.vcpu_threads)
    record.runtime["vcpu_threads"] = usage.listed(threads)
    unsettled = await _tune(start, threads)
    reached("configured")
    await let_others()
    running = RunningGuest(guest, record, start.model, start.monitor, start.process, start.log)
    running.groups = start.groups
    running.leases = GuestLeases(running, start.driver.locks)
    start.running = running
    if unsettled is not None:
        start.driver.settler.add(
            Newcomer(guest.name, unsettled, stays=lambda: running.cause is None)
        )
    guest.id = start.id
    guest.running = running
    guest.set_state(DomainState.PAUSED, DomainPausedReason.STARTING_UP)
    Supervisor(start.driver, running).attach()
    if holds(start.model.perf):
        from virloom.drivers.qemu.tuning import counting  # few guests want it

        counting.count(running, dict.fromkeys(counting.enabled(start.model), True))
    if start.incoming is not None:
        await _go_on(start, running, start.incoming)
    else:
        await _boot(start, running)
    record.stage = "running"  # without a wait up to its saving: the guest may end meanwhile
    running.set_document()
    running.save()
    reached("running-recorded")
    await start.ask_hooks("started")
    return running


async def _boot(start: Start, running: RunningGuest) -> None:
    if not start.paused:
        running.resume_reason = DomainRunningReason.BOOTED
        await running.go_on()
    reached("started")
    start.guest.note("process", f"is started as process {running.pid}")
    started, paused = DomainEventStartedDetailType, DomainEventSuspendedDetailType
    reverted = start.from_snapshot
    _announce(start, started.FROM_SNAPSHOT if reverted else started.BOOTED)
    if start.paused:
        detail = paused.FROM_SNAPSHOT if reverted else paused.PAUSED
        _announce_pause(start, DomainPausedReason.USER, detail)


async def _go_on(start: Start, running: RunningGuest, incoming: Incoming | KeptState) -> None:
    """Loads the state, and lets the guest run if it did.

    Whoever takes it over before all is done finds the note, and finishes it.
    """
    running.loading = True
    await incoming.load(running)
    running.loading = False
    incoming.loaded(running)
    start.record.stage = "running"
    running.set_document()
    running.save()
    reached(LOADED)
    start.guest.note("process", f"is restored as process {running.pid}")
    _announce(start, incoming.started)
    if incoming.resume:
        running.resume_reason = incoming.resumed
        await running.go_on()
    else:
        _announce_pause(start, incoming.paused, incoming.paused_detail)
    reached("started")
    incoming.used(running)


async def _tune(start: Start, vcpus: Mapping[int, int]) -> Threads | None:
    """Puts the threads where the document has them, before the guest runs.

    Returns:
        Those that may wait to get into groups of their own.
    """
    assert start.process is not None
    assert start.monitor is not None
    iothreads: dict[int, int] = {}
    if wants_iothreads(start.model) or (start.groups is not None and iothread_ids(start.model)):
        for item in await start.monitor.execute("query-iothreads"):
            iothreads[int(item["id"].removeprefix("iothread"))] = item["thread-id"]
    apply_tuning(start.model, start.process.identity.pid, vcpus, iothreads)
    if start.groups is None:
        return None
    threads = Threads(start.groups, {"vcpu": dict(vcpus), "iothread": iothreads})
    if needs_threads_first(start.model):
        await asyncio.to_thread(threads.move)
        return None
    return threads  # nothing is different there, and the kernel takes its time


def _announce(start: Start, detail: DomainEventStartedDetailType) -> None:
    if start.running is not None:
        channels.tell_start(start.driver, start.running)
    _lifecycle(start, DomainEventType.STARTED, detail)


def _announce_pause(start: Start, reason: int, detail: DomainEventSuspendedDetailType) -> None:
    start.guest.set_state(DomainState.PAUSED, reason)
    _lifecycle(start, DomainEventType.SUSPENDED, detail)


def _lifecycle(start: Start, event: DomainEventType, detail: int) -> None:
    start.driver.events.emit(DomainEventID.LIFECYCLE, start.guest.ref(), int(event), int(detail))
