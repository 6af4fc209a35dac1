# SPDX-License-Identifier: Apache-2.0
"""The end of a guest: how it is brought about, and what is put back."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from typing import TYPE_CHECKING

from virloom.drivers.qemu.checkpoints.known import forget_checkpoints
from virloom.drivers.qemu.devices.passed import passed_on
from virloom.drivers.qemu.locks.guest import give_all_back
from virloom.drivers.qemu.process.hooked import after_end, on_networks
from virloom.drivers.qemu.process.running import DESTROYED, SAVED, RunningGuest, StopCause
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.snapshots.store import forget_all, has_snapshots
from virloom.endpoint.identity import caller_text
from virloom.enums.domain import DomainEventID, DomainEventType, DomainState
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, VirloomError
from virloom.host.release import release

if TYPE_CHECKING:
    from virloom.drivers.qemu.domain import Guest
    from virloom.drivers.qemu.driver import QemuDriver
    from virloom.drivers.qemu.process.record import GuestRecord

logger = logging.getLogger(__name__)

#: Seconds that QEMU has to end after SIGTERM, before SIGKILL: qcow2 bitmaps are written there.
TERM_LIMIT = 10.0

#: Seconds between one SIGTERM and the next. QEMU before 8.0 can sleep on in the clean-up of its
#: monitor when a command has just been answered (in about one of ten destroys right after a
#: screenshot); another signal wakes it, and changes nothing otherwise.
TERM_AGAIN = 0.05

#: Seconds after SIGKILL until we say that the kernel does not let go of the process.
KILL_LIMIT = 15.0
#: And for each device of the host's: the kernel resets it, and unlocks the guest's memory.
HOSTDEV_LIMIT = 2.0

#: Key of the record's runtime figures under which is noted how a guest ends, whoever ends it.
ENDING = "ending"


async def stop(
    running: RunningGuest,
    cause: StopCause,
    *,
    graceful: bool = False,
    term_limit: float = TERM_LIMIT,
) -> None:
    """Ends the guest's process and returns when all that it held is released.

    Args:
        graceful: Never send SIGKILL.

    Raises:
        OperationFailed: It did not go in time.
    """
    if running.cause is None:
        running.cause = cause
    running.guest.note("process", f"is to end: {cause.reason.name.lower()}{caller_text()}")
    running.record.stage = "stopping"
    running.record.runtime[ENDING] = [int(running.cause.reason), int(running.cause.detail)]
    try:
        running.save()
    except VirloomError as exc:  # a full disk must not keep a guest alive
        logger.warning("domain '%s': %s", running.guest.name, exc)
    reached("stopping-recorded")
    await terminate(running, graceful=graceful, term_limit=term_limit)
    await running.guest.hooks_done()


async def terminate(running: RunningGuest, *, graceful: bool, term_limit: float) -> None:
    """SIGTERM, and SIGKILL for a process that does not go."""
    _ask_to_end(running)
    reached("terminated")
    deadline = time.monotonic() + term_limit
    while not await _ended(running, TERM_AGAIN):
        if time.monotonic() > deadline:
            break
        _ask_to_end(running)
    else:
        return
    if graceful:
        running.cause = None
        running.record.stage = "running"
        del running.record.runtime[ENDING]
        running.save()
        raise OperationFailed(
            f"domain '{running.guest.name}': process {running.pid} did not end within "
            f"{term_limit:g} s of SIGTERM",
            domain=ErrorDomain.QEMU,
            remedy="destroy without VIR_DOMAIN_DESTROY_GRACEFUL sends SIGKILL",
        )
    logger.warning("domain '%s': SIGTERM had no effect, sending SIGKILL", running.guest.name)
    running.process.send_signal(signal.SIGKILL)
    limit = KILL_LIMIT + HOSTDEV_LIMIT * len(passed_on(running.model))
    if not await _ended(running, limit):
        raise OperationFailed(
            f"domain '{running.guest.name}': process {running.pid} did not end within "
            f"{limit:g} s of SIGKILL; the kernel holds it, perhaps in a device",
            domain=ErrorDomain.QEMU,
        )


def _ask_to_end(running: RunningGuest) -> None:
    running.process.send_signal(signal.SIGTERM)
    if running.is_stopped_process():
        running.process.send_signal(signal.SIGCONT)  # it could not act on SIGTERM otherwise


async def _ended(running: RunningGuest, limit: float) -> bool:
    done, _ = await asyncio.wait([running.ended], timeout=limit)
    return bool(done)


def finish(driver: QemuDriver, running: RunningGuest) -> None:
    """What happens once QEMU has gone: puts back what it held, and tells everybody.

    Runs once for an incarnation, without waiting.
    """
    guest = running.guest
    if guest.running is not running:
        return
    if running.loading:  # the start is still to be undone, by itself
        if not running.ended.done():
            running.ended.set_result(None)
        return
    reached("ended")
    cause = running.cause or DESTROYED
    running.log.note(f"shutting down, reason={cause.reason.name.lower()}")
    guest.note("process", f"is shut off: {cause.reason.name.lower()}")
    running.undo_autodestroy()
    # Who reads a console gets what the guest said last, and then meets its end by itself.
    running.consoles.clear()
    running.close()
    release_record(driver, running)
    driver.claims.drop(guest.name)
    if running.backup is not None:
        from virloom.drivers.qemu.backup.ending import lost  # seldom needed

        lost(driver, running)
    ref = guest.ref()
    guest.running = None
    guest.id = -1
    guest.set_state(DomainState.SHUTOFF, cause.reason)
    if cause in (DESTROYED, SAVED):
        ref = guest.ref()  # libvirt names the id in the event only where the guest ended by itself
    driver.events.emit(
        DomainEventID.LIFECYCLE, ref, int(DomainEventType.STOPPED), int(cause.detail)
    )
    if not guest.persistent and not guest.writing.locked():  # else it may become persistent
        driver.guests.remove(guest)
        _forget_snapshots(driver, guest)
        forget_checkpoints(driver, guest)
    if running.leases.taken or driver.hooks.scripts() or on_networks(running.model):
        after = _after_end(driver, running)
        guest.after_end = driver.background(after, f"after the end of '{guest.name}'")
    if not running.ended.done():
        running.ended.set_result(None)


async def _after_end(driver: QemuDriver, running: RunningGuest) -> None:
    if running.leases.taken:
        await give_all_back(driver.locks, running.record)
        _remove_record(driver, running.record)
    await after_end(driver, running.guest.name, running.model)


def _forget_snapshots(driver: QemuDriver, guest: Guest) -> None:
    """What was known of a domain that is no more."""
    if has_snapshots(driver, guest):
        try:
            forget_all(driver, guest)
        except VirloomError as exc:
            logger.error("domain '%s': %s", guest.name, exc)


def release_record(driver: QemuDriver, running: RunningGuest) -> None:
    """Undoes the start's resources; if that fails the record stays for the next opening.

    With leases it stays until they are given back, and says how the guest has ended.
    """
    record = running.record
    failed = release(record.resources)
    if failed:
        logger.error("domain '%s': cannot release %s", record.name, failed)
        return
    reached("released")
    if not running.leases.taken:
        _remove_record(driver, record)
        return
    record.resources.clear()
    record.stage = "stopping"
    cause = running.cause or DESTROYED
    record.runtime[ENDING] = [int(cause.reason), int(cause.detail)]
    try:
        record.save()
    except VirloomError as exc:  # what it says is only too much
        logger.warning("domain '%s': %s", record.name, exc)


def _remove_record(driver: QemuDriver, record: GuestRecord) -> None:
    record.delete()
    if record.autodestroy:  # not before: the guardian finishes what a kill interrupts
        driver.forget_autodestroy(record)
    reached("record-removed")
