# SPDX-License-Identifier: Apache-2.0
"""The end of a backup: of each of its jobs, and then of the whole.

When one job fails or is given up, so are the others. The end of the last one ends the backup:
images that nobody can use are removed, and clients are told.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from virloom.drivers.qemu.backup.images import remove_images
from virloom.drivers.qemu.backup.server import stop_server
from virloom.drivers.qemu.backup.state import RunningBackup, forget, keep
from virloom.drivers.qemu.block.owners import disown
from virloom.drivers.qemu.blockjobs.ending import abort
from virloom.drivers.qemu.blockjobs.job import BlockJob, told
from virloom.drivers.qemu.blockjobs.machine import State
from virloom.drivers.qemu.hotplug.intention import take_back
from virloom.drivers.qemu.process.running import CRASHED, FAILED, RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.enums.domain import ConnectDomainEventBlockJobStatus as Status
from virloom.enums.domain import DomainEventID, DomainJobType
from virloom.model.domain import Disk

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: What is said of a backup that was given up, as the system calls it.
_CANCELED = os.strerror(errno.ECANCELED)


async def finish_backup(
    driver: QemuDriver, running: RunningGuest, job: BlockJob, disk: Disk
) -> None:
    """The job of one disk has ended; it may be told twice.

    Raises:
        VirloomError: QEMU does not answer, or something cannot be removed.
    """
    job.garbage = [*job.undo, *job.garbage]
    job.undo = []
    _forget_sets(running, job)
    backup = running.backup
    part = backup.part(job.id) if backup is not None else None
    if backup is None or part is None:
        return
    part.outcome = int(told(job))
    if part.outcome == Status.FAILED:
        backup.error = job.error
    elif part.outcome == Status.CANCELED:
        backup.error = backup.error or _CANCELED
    keep(running, backup)
    if backup.pull:
        await stop_server(running, backup)  # it reads from what is about to go
    # Whoever hears of the end may use the image: QEMU must have closed it before.
    await take_back(running, job.garbage)
    running.require_current()  # else the record has gone, and is not to be written again
    job.garbage = []
    disown(running, disk)
    if all(one.outcome is not None for one in backup.parts):
        await finalize(driver, running, backup)
    elif part.outcome != Status.COMPLETED:
        await cancel_parts(driver, running, backup, wait=False)


def _forget_sets(running: RunningGuest, job: BlockJob) -> None:
    """The record's names of the descriptor sets that go with the job's nodes."""
    gone = {arguments["fdset-id"] for name, arguments in job.garbage if name == "remove-fd"}
    sets = running.record.runtime.get("fdsets", {})
    for key in [key for key, number in sets.items() if number in gone]:
        del sets[key]


async def cancel_parts(
    driver: QemuDriver, running: RunningGuest, backup: RunningBackup, *, wait: bool
) -> None:
    """Gives up the jobs that go on.

    Raises:
        VirloomError: QEMU does not let go.
    """
    for part in list(backup.parts):
        job = running.blockjobs.get(part.job)
        if part.outcome is None and job is not None and job.state is State.RUNNING:
            await abort(driver, running, job, wait=wait)


async def abort_backup(driver: QemuDriver, running: RunningGuest, backup: RunningBackup) -> None:
    """Ends a backup because somebody wants it to end: the way in which one that is pulled does.

    Raises:
        InternalError: QEMU refuses.
    """
    await backup.job.refresh(running)
    await cancel_parts(driver, running, backup, wait=False)


async def finalize(
    driver: QemuDriver, running: RunningGuest, backup: RunningBackup, *, told: bool = True
) -> None:
    """Nothing of a backup goes on any more.

    Args:
        told: Clients hear of it.

    Raises:
        VirloomError: Something cannot be removed.
    """
    guest = running.guest
    backup.stage = "ending"
    keep(running, backup)
    reached("backup-ending")
    outcome = result(backup)
    await stop_server(running, backup)
    running.require_current()
    remove_images(running, backup, useful=not backup.pull and outcome == DomainJobType.COMPLETED)
    reached("backup-cleaned")
    backup.job.end(outcome)
    if guest.job is backup.job:
        guest.job = None
    if told and not backup.silent:
        guest.completed_job = backup.job
        driver.events.emit(DomainEventID.JOB_COMPLETED, guest.ref(), backup.job.params())
    forget(running, backup)
    await running.leases.try_settle()


def result(backup: RunningBackup) -> DomainJobType:
    """How a backup ended: one that is pulled is at its end when somebody ends it."""
    outcomes = {part.outcome for part in backup.parts}
    if Status.FAILED in outcomes:
        return DomainJobType.FAILED
    if outcomes == {Status.COMPLETED} or (backup.pull and None not in outcomes):
        return DomainJobType.COMPLETED
    return DomainJobType.CANCELLED


def lost(driver: QemuDriver, running: RunningGuest) -> None:
    """The guest has ended, and its backup with it; its files go with the guest's."""
    backup, running.backup = running.backup, None
    if backup is None:
        return
    guest, job = running.guest, backup.job
    job.lost, backup.error = True, None
    by_itself = running.cause in (FAILED, CRASHED)
    job.end(DomainJobType.FAILED if by_itself else DomainJobType.CANCELLED)
    guest.job, guest.completed_job = None, job
    driver.events.emit(DomainEventID.JOB_COMPLETED, guest.ref(), job.params())
    backup.release()
