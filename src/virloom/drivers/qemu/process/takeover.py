# SPDX-License-Identifier: Apache-2.0
"""What becomes of the records that an earlier driver left: take over, or clean up.

==========  =======================================================================
the record  what is done
==========  =======================================================================
other boot  its process and sockets went with that boot: files are released
intent      the start had not come to a process we know of: one that carries the
            record's marker is killed; all is released
starting    nobody was told that this guest exists: killed and released
stopping    somebody wanted it gone: ended and released
running     the guest is taken over if its process is there, else its end is told
==========  =======================================================================
"""

from __future__ import annotations

import asyncio
import logging
import signal
import uuid as uuids
from pathlib import Path
from typing import TYPE_CHECKING

from virloom.drivers.qemu.checkpoints.known import forget_checkpoints
from virloom.drivers.qemu.devices.passed import passed_on
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.limits.devices import update_devices
from virloom.drivers.qemu.limits.groups import find_groups
from virloom.drivers.qemu.limits.threads import settle_again
from virloom.drivers.qemu.locks.guest import GuestLeases, give_all_back
from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.nics.names import HELD_SUFFIXES
from virloom.drivers.qemu.patience import Patience
from virloom.drivers.qemu.process import channels, usage
from virloom.drivers.qemu.process.hooked import ask_hooks
from virloom.drivers.qemu.process.live import fill_in, read
from virloom.drivers.qemu.process.logs import reopen_log
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.drivers.qemu.process.running import CRASHED, DESTROYED, SHUT_DOWN, RunningGuest
from virloom.drivers.qemu.process.stop import ENDING, KILL_LIMIT, TERM_AGAIN, stop
from virloom.drivers.qemu.process.supervise import Supervisor
from virloom.drivers.qemu.tuning.flexible import catch_up, taken
from virloom.enums.domain import (
    DomainEventID,
    DomainEventResumedDetailType,
    DomainEventShutdownDetailType,
    DomainEventSuspendedDetailType,
    DomainEventType,
    DomainPausedReason,
    DomainRunningReason,
    DomainState,
)
from virloom.errors import ResourceBusy, VirloomError
from virloom.host.boot import boot_id
from virloom.host.files import Directory
from virloom.host.guardian import MARKER
from virloom.host.liveness import holders, is_live, live_path
from virloom.host.pidfd import PidFd, ProcessIdentity, find_by_environ
from virloom.host.process import Process
from virloom.host.release import release
from virloom.model.domain import Domain
from virloom.procedures.types import NonnullDomain
from virloom.xml import holds, parse_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: Seconds that a stray QEMU has to end.
_STRAY_LIMIT = 10.0

#: Seconds between the end of QEMU's monitor and its own, at most.
_EXIT_LIMIT = 0.5

#: QEMU's ``RunState`` (qapi/run-state.json) → state and reason.
_RUN_STATES: dict[str, tuple[DomainState, int]] = {
    "running": (DomainState.RUNNING, DomainRunningReason.UNPAUSED),
    "paused": (DomainState.PAUSED, DomainPausedReason.USER),
    "prelaunch": (DomainState.PAUSED, DomainPausedReason.USER),
    "debug": (DomainState.PAUSED, DomainPausedReason.UNKNOWN),
    "io-error": (DomainState.PAUSED, DomainPausedReason.IOERROR),
    "internal-error": (DomainState.PAUSED, DomainPausedReason.UNKNOWN),
    "watchdog": (DomainState.PAUSED, DomainPausedReason.WATCHDOG),
    "save-vm": (DomainState.PAUSED, DomainPausedReason.SAVE),
    "restore-vm": (DomainState.PAUSED, DomainPausedReason.UNKNOWN),
    "suspended": (DomainState.PMSUSPENDED, 0),
    "shutdown": (DomainState.SHUTDOWN, 0),
    "guest-panicked": (DomainState.CRASHED, 1),
}


async def recover(driver: QemuDriver) -> None:
    """Deals with every record of the driver's run directory, all at the same time."""
    records = []
    GuestRecord.sweep(driver.directories.run)
    for path in sorted(driver.directories.run.glob("*.json")):
        try:
            records.append(GuestRecord.load(path))
        except (OSError, ValueError) as exc:
            logger.error("%s; it is left alone", exc)
    driver.reserve_ids(record.id for record in records)
    await asyncio.gather(*(_recover_one(driver, record) for record in records))


async def _recover_one(driver: QemuDriver, record: GuestRecord) -> None:
    try:
        if record.boot_id != boot_id():
            await _discard(driver, record)
        elif record.stage == "running" and record.process is not None:
            await _take_over(driver, record, record.process)
        else:
            await _kill_strays(record)
            await _discard(driver, record)
            _tell_finished(driver, record)
    except VirloomError as exc:
        logger.error("domain '%s': %s", record.name, exc)


def _tell_finished(driver: QemuDriver, record: GuestRecord) -> None:
    """The event, and the reason of the state, of an end that the former owner had begun."""
    ending = record.runtime.get(ENDING)
    if record.stage != "stopping" or ending is None:
        return
    reason, detail = ending
    uuid = uuids.UUID(record.uuid).bytes
    guest = driver.guests.by_uuid(uuid)
    if guest is not None and not guest.active:
        guest.set_state(DomainState.SHUTOFF, reason)
    ref = NonnullDomain(record.name, uuid, -1)
    driver.events.emit_missed(
        DomainEventID.LIFECYCLE, ref, int(DomainEventType.STOPPED), int(detail)
    )


async def _discard(driver: QemuDriver, record: GuestRecord) -> None:
    if record.lent:
        from virloom.drivers.qemu.hostdevs.taking import return_devices  # few guests have any

        await return_devices(record)
    await give_all_back(driver.locks, record)
    failed = release(record.resources)
    if failed:
        logger.error("domain '%s': cannot release %s", record.name, failed)
    else:
        record.delete()


async def _kill_strays(record: GuestRecord) -> None:
    """Ends every process of a guest whose start nobody was told of, or whose stop had begun."""
    live = live_path(str(record.path))
    found = {*find_by_environ(MARKER, record.marker), *holders(live)}
    if record.process is not None:
        found.add(record.process)
    await asyncio.gather(*(_end(identity) for identity in found))
    if is_live(live):
        logger.error("domain '%s': a process of it is still there", record.name)


async def _end(identity: ProcessIdentity) -> None:
    """SIGTERM, so that images are closed well, and SIGKILL for one that does not go."""
    try:
        process = Process(PidFd.open(identity))
    except ProcessLookupError:
        return
    try:
        for _ in range(int(_STRAY_LIMIT / TERM_AGAIN)):
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
            if await _ends_within(process, TERM_AGAIN):
                return
        logger.warning("process %d does not go, sending SIGKILL", identity.pid)
        process.send_signal(signal.SIGKILL)
        await _ends_within(process, KILL_LIMIT)
    finally:
        process.close()


async def _take_over(driver: QemuDriver, record: GuestRecord, identity: ProcessIdentity) -> None:
    guest = _known_guest(driver, record)
    model = parse_document(Domain, record.document)
    process = await _living(identity)
    if process is None:
        await _tell_end(driver, guest, record)
        return
    try:
        monitor = await _connect(record, driver.patience)
    except VirloomError as exc:
        if await _ends_within(process, _EXIT_LIMIT):
            process.close()
            await _tell_end(driver, guest, record)
        else:
            _without_monitor(driver, _as_recorded(driver, guest, record, model, None, process), exc)
        return
    running = _as_recorded(driver, guest, record, model, monitor, process)
    running.leases = GuestLeases(running, driver.locks)
    guest.agent_timeout = int(record.runtime.get("agent_timeout", guest.agent_timeout))
    guest.note("process", f"is taken over, as process {running.pid}")
    await _catch_up(driver, running)
    try:
        await ask_hooks(driver, guest.name, model, "reconnect")
    except VirloomError as exc:  # as in libvirt, the guest is ended
        logger.error("domain '%s' is ended: %s", guest.name, exc.message)
        driver.background(stop(running, DESTROYED), f"end of '{guest.name}'")


def _as_recorded(
    driver: QemuDriver,
    guest: Guest,
    record: GuestRecord,
    model: Domain,
    monitor: Monitor | None,
    process: Process,
) -> RunningGuest:
    """The guest as its former owner had it."""
    log = reopen_log(driver, guest, record.runtime)
    running = RunningGuest(guest, record, model, monitor, process, log)
    running.groups = find_groups(driver, record, running.pid)
    _claim_devices(driver, running)
    guest.id = record.id
    guest.running = running
    guest.set_state(DomainState(record.state), record.reason)
    return running


def _claim_devices(driver: QemuDriver, running: RunningGuest) -> None:
    if passed_on(running.model):
        from virloom.drivers.qemu.hostdevs.identity import devices_of  # few guests have any

        driver.claims.take(devices_of(running.model), running.guest.name)


async def _living(identity: ProcessIdentity) -> Process | None:
    """The process, unless it has ended; one that nobody has reaped yet has ended too."""
    try:
        process = Process(PidFd.open(identity))
    except ProcessLookupError:
        return None
    if process.poll():
        process.close()
        return None
    return process


async def _ends_within(process: Process, seconds: float) -> bool:
    """Whether a process has ended after so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        return False
    return True


def _known_guest(driver: QemuDriver, record: GuestRecord) -> Guest:
    """The domain of a record: a defined one, or a transient one that comes back."""
    uuid = uuids.UUID(record.uuid).bytes
    guest = driver.guests.by_uuid(uuid)
    if guest is None:
        guest = driver.new_guest(record.name, uuid)
        driver.guests.add(guest)
    return guest


async def _connect(record: GuestRecord, patience: Patience) -> Monitor:
    with Directory(Path(record.directory)) as directory:
        connection = directory.connect_unix(record.monitor)
    return await Monitor.connect(
        connection, guest=record.name, timeout=patience.reunion, patience=patience.answer
    )


async def _catch_up(driver: QemuDriver, running: RunningGuest) -> None:
    """Asks QEMU what has happened meanwhile, and raises the events that were missed."""
    assert running.monitor is not None
    monitor = running.monitor
    characters, cpus = monitor.submit("query-chardev"), monitor.submit("query-cpus-fast")
    status = await monitor.execute("query-status")
    answers = await read(characters, cpus)
    fill_in(running.model, running.record.id, answers)
    known = usage.vcpu_threads(running)
    channels.catch_up(driver, running, await characters)
    await catch_up(running)
    await _catch_up_balloon(running)
    Supervisor(driver, running).attach()
    await _finish_begun(driver, running, moved=known != answers.vcpu_threads)
    driver.background(settle_again(running), f"threads of '{running.guest.name}'")
    state, reason = _RUN_STATES.get(str(status["status"]), (DomainState.PAUSED, 0))
    if state != running.guest.state:
        _tell_change(driver, running, state, reason)
    if running.cause is None and state == DomainState.SHUTDOWN:
        running.shutdown_seen = True
        if (running.model.on_poweroff or "destroy") != "preserve":
            driver.background(stop(running, SHUT_DOWN), f"end of '{running.guest.name}'")
    elif running.record.autodestroy:
        # Its connection ended with the process that held it; the guardian was killed as well.
        driver.background(stop(running, DESTROYED), f"end of '{running.guest.name}'")
    running.set_document()
    running.save()
    await _adopt_leases(driver, running, runs=state == DomainState.RUNNING)
    _settle(driver, running)


async def _finish_begun(driver: QemuDriver, running: RunningGuest, *, moved: bool) -> None:
    """Finishes, takes back or goes on with what the former owner had begun, as the record says.

    Args:
        moved: There are other vCPUs than the record has.
    """
    if {"plugging", "removals", "medium"} & running.record.runtime.keys():
        from virloom.drivers.qemu.hotplug.recovery import settle_devices  # few guests need it

        await settle_devices(driver, running)
    elif running.record.lent:  # maybe for a device that was not even noted yet
        from virloom.drivers.qemu.hotplug.assigned import settle_lent

        await settle_lent(running)
    if _holds_for_cards(driver, running):
        from virloom.drivers.qemu.hotplug.cards import settle_cards  # guests may be on no network

        await settle_cards(driver, running)
    if "backup" in running.record.runtime:
        from virloom.drivers.qemu.backup.interrupted import recall  # seldom needed

        await recall(running)
    if {"blockjobs", "swaps"} & running.record.runtime.keys():
        from virloom.drivers.qemu.blockjobs.recovery import settle_blockjobs  # few guests need it

        await settle_blockjobs(driver, running)
    await _settle_threads(running, moved=moved)
    if holds(running.model.perf):
        from virloom.drivers.qemu.tuning.counting import count_again  # and fewer

        count_again(running)
    update_devices(running)
    if "checkpoint" in running.record.runtime:
        from virloom.drivers.qemu.checkpoints.interrupted import settle_checkpoints  # nor this

        await settle_checkpoints(driver, running)
    if running.backup is not None:
        from virloom.drivers.qemu.backup.interrupted import settle_backup  # seldom needed

        await settle_backup(driver, running)


async def _adopt_leases(driver: QemuDriver, running: RunningGuest, *, runs: bool) -> None:
    """A guest goes on although nobody can be asked for its leases: it had them.

    One whose leases another has by now does what its document says.
    """
    try:
        await running.leases.adopt(runs=runs)
    except ResourceBusy as exc:
        from virloom.drivers.qemu.locks.lost import act_on_loss  # hardly ever needed

        guest = running.guest
        logger.error("domain '%s': its leases: %s", guest.name, exc.message)
        driver.background(act_on_loss(driver, guest), f"lost leases of '{guest.name}'")
    except VirloomError as exc:
        logger.error("domain '%s': its leases: %s", running.guest.name, exc.message)


def _holds_for_cards(driver: QemuDriver, running: RunningGuest) -> bool:
    """Whether there is anything of network cards, which may be of one that was not plugged in."""
    name, run = running.guest.name, driver.directories.run
    linked = any(one["kind"] in ("link", "macvtap") for one in running.record.resources)
    return linked or any((run / f"{name}{suffix}").exists() for suffix in HELD_SUFFIXES)


async def _settle_threads(running: RunningGuest, *, moved: bool) -> None:
    """Takes in vCPUs and I/O threads that came or went while nobody looked.

    One that the host does not let be put in its place is no reason to give the guest up.
    """
    try:
        if moved:
            from virloom.drivers.qemu.tuning.plug import refresh  # few guests need it

            await refresh(running)
        if "iothreads" in running.record.runtime:
            from virloom.drivers.qemu.tuning.iothread_objects import settle  # fewer still

            await settle(running)
    except VirloomError as exc:
        logger.error("domain '%s': %s", running.guest.name, exc.message)


def _settle(driver: QemuDriver, running: RunningGuest) -> None:
    """Ends what the former owner had begun, if it had, without keeping others waiting."""
    if not {"save", "restored"} & running.record.runtime.keys() or running.cause is not None:
        return
    from virloom.drivers.qemu.saving.interrupted import settle  # seldom needed

    driver.background(settle(running), f"save or restore of '{running.guest.name}'")


async def _catch_up_balloon(running: RunningGuest) -> None:
    balloon = running.model.devices.memballoon
    if balloon is None or balloon.model == "none" or running.monitor is None:
        return
    try:
        answer = await running.monitor.execute("query-balloon")
    except VirloomError:
        return  # the guest has no driver for it: what the record says is still true
    running.model.current_memory = int(answer["actual"]) // 1024 + taken(running.model)


def _tell_change(
    driver: QemuDriver, running: RunningGuest, state: DomainState, reason: int
) -> None:
    """The events of a change that nobody saw."""
    guest = running.guest
    before = guest.state
    guest.set_state(state, reason)
    event: tuple[int, int]
    if state == DomainState.RUNNING:
        event = (DomainEventType.RESUMED, DomainEventResumedDetailType.UNPAUSED)
    elif state == DomainState.SHUTDOWN:
        event = (DomainEventType.SHUTDOWN, DomainEventShutdownDetailType.FINISHED)
    elif state == DomainState.CRASHED:
        event = (DomainEventType.CRASHED, 0)
    elif state == DomainState.PMSUSPENDED:
        event = (DomainEventType.PMSUSPENDED, 0)
    elif before == DomainState.RUNNING:
        detail = {
            DomainPausedReason.IOERROR: DomainEventSuspendedDetailType.IOERROR,
            DomainPausedReason.WATCHDOG: DomainEventSuspendedDetailType.WATCHDOG,
        }.get(DomainPausedReason(reason), DomainEventSuspendedDetailType.PAUSED)
        event = (DomainEventType.SUSPENDED, detail)
    else:
        return
    driver.events.emit_missed(DomainEventID.LIFECYCLE, guest.ref(), int(event[0]), int(event[1]))


async def _tell_end(driver: QemuDriver, guest: Guest, record: GuestRecord) -> None:
    """The process went while nobody looked: with -no-shutdown a QEMU ends only by force."""
    guest.set_state(DomainState.SHUTOFF, CRASHED.reason)
    guest.note("process", "its QEMU ended while nobody was there to see it")
    driver.events.emit_missed(
        DomainEventID.LIFECYCLE, guest.ref(), int(DomainEventType.STOPPED), int(CRASHED.detail)
    )
    await _discard(driver, record)
    if not guest.persistent:
        driver.guests.remove(guest)
        forget_checkpoints(driver, guest)


def _without_monitor(driver: QemuDriver, running: RunningGuest, why: VirloomError) -> None:
    """A guest whose QEMU does not answer is kept, so that it can be looked at and destroyed."""
    guest = running.guest
    running.monitor_error = f"the monitor cannot be reached: {why}"
    Supervisor(driver, running).attach()
    logger.error("domain '%s': %s", guest.name, running.monitor_error)
    driver.events.emit_missed(DomainEventID.CONTROL_ERROR, guest.ref())
