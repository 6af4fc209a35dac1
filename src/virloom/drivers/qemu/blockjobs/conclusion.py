# SPDX-License-Identifier: Apache-2.0
"""The end of a block job: what becomes of the disk.

==================  ================================================================================
in the record       what a daemon that finds it does
==================  ================================================================================
any earlier state   asks QEMU whether the job has concluded, and how
``concluded``       has QEMU forget the job; changes the chain
``settled``         takes the nodes out of QEMU that nobody needs any more; tells clients
==================  ================================================================================

All of that may be done twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from virloom.drivers.qemu.block.owners import disown
from virloom.drivers.qemu.blockjobs.events import emit
from virloom.drivers.qemu.blockjobs.job import BlockJob, forget, keep, told
from virloom.drivers.qemu.blockjobs.machine import Input, State, outcome
from virloom.drivers.qemu.hotplug.intention import take_back
from virloom.drivers.qemu.monitor.commands.jobs import job_dismiss, query_jobs
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.runtime.jobs import Job
from virloom.enums.domain import ConnectDomainEventBlockJobStatus as Status
from virloom.errors import OperationTimeout, VirloomError
from virloom.model.domain import Disk

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: Seconds between the end of QEMU's monitor and that of the guest, at most.
_END_LIMIT = 2.0

#: Makes of a disk what the end of its job means. It may be called again after a kill.
Finish = Callable[["QemuDriver", RunningGuest, BlockJob, Disk], Awaitable[None]]


def _finishes(kind: str) -> Finish:
    """Who knows what the end of such a job means; jobs of others bring their own module."""
    if kind == "pull":
        from virloom.drivers.qemu.blockjobs.pull import finish_pull

        return finish_pull
    if kind == "copy":
        from virloom.drivers.qemu.blockjobs.copy import finish_copy

        return finish_copy
    if kind in ("commit", "active-commit"):
        from virloom.drivers.qemu.blockjobs.commit import finish_commit

        return finish_commit
    if kind == "backup":
        from virloom.drivers.qemu.backup.ending import finish_backup

        return finish_backup
    return _finish_nothing


async def _finish_nothing(
    driver: QemuDriver, running: RunningGuest, job: BlockJob, disk: Disk
) -> None:
    """Of a job that changes no chain: whatever was made for it goes."""
    job.garbage = [*job.undo, *job.garbage]


async def leave_alone(driver: QemuDriver, running: RunningGuest, job: BlockJob) -> None:
    """After a job that has never begun: images are open for reading only again."""
    disk = job.disk(running)
    if disk is not None and job.kind in ("commit", "active-commit"):
        from virloom.drivers.qemu.blockjobs.commit import take_writing

        await take_writing(driver, running, disk)


async def conclude_later(driver: QemuDriver, running: RunningGuest, job: BlockJob) -> None:
    """Deals with the end of a job that nobody waits for, as soon as the domain is free."""
    while running.guest.running is running and not job.settled.is_set():
        try:
            async with running.guest.jobs.hold(Job.MODIFY, f"end of block job '{job.id}'"):
                if running.guest.running is running and not job.settled.is_set():
                    await conclude(driver, running, job)
                return
        except OperationTimeout as exc:
            logger.warning("domain '%s': %s", running.guest.name, exc)
        except VirloomError:
            if not running.ended.done():
                await asyncio.wait([running.ended], timeout=_END_LIMIT)
            if running.guest.running is not running or running.monitor is None:
                return  # it has ended, and its job with it
            raise


async def conclude(
    driver: QemuDriver, running: RunningGuest, job: BlockJob, *, missed: bool = False
) -> None:
    """Deals with the end of a job; a job that changes the domain is held.

    Args:
        missed: Clients were not there when it ended.

    Raises:
        VirloomError: The monitor is lost, or the record cannot be written; a takeover goes on.
    """
    if job.state not in (State.CONCLUDED, State.SETTLED):
        await _learn_outcome(running, job)
    if job.state is State.CONCLUDED:
        await job_dismiss(running, job.id)
        reached("job-dismissed")
        disk = job.disk(running)
        if disk is not None:
            try:
                await _finishes(job.kind)(driver, running, job, disk)
            except VirloomError as exc:
                running.require_current()
                logger.error("domain '%s': job '%s': %s", running.guest.name, job.id, exc)
        job.move(Input.SETTLED)
        keep(running, job)
        reached("job-settled")
    await take_back(running, job.garbage)
    disk = job.disk(running)
    if disk is not None:
        disown(running, disk)
    reached("job-cleaned")
    running.guest.note("job", f"block job {job.id}: {told(job).name.lower()} {job.error or ''}")
    emit(driver, running, job, told(job), missed=missed)
    forget(running, job)
    await running.leases.try_settle()
    job.settled.set()


async def _learn_outcome(running: RunningGuest, job: BlockJob) -> None:
    """How it ended, in the record before QEMU forgets it."""
    found = (await query_jobs(running)).get(job.id)
    job.error = "QEMU does not know of it any more" if found is None else found.error
    failed = job.error is not None
    job.status = int(outcome(job.state, mirrors=job.mirrors, failed=failed))
    if job.status == Status.FAILED:
        logger.error("domain '%s': job '%s': %s", running.guest.name, job.id, job.error)
    job.move(Input.CONCLUDED)
    keep(running, job)
    reached("job-concluded")
