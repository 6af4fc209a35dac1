# SPDX-License-Identifier: Apache-2.0
"""A block job is ended by its caller: given up, or pivoted to the copy."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from virloom.drivers.qemu.blockjobs.conclusion import conclude
from virloom.drivers.qemu.blockjobs.events import become_ready
from virloom.drivers.qemu.blockjobs.job import BlockJob, keep
from virloom.drivers.qemu.blockjobs.machine import Input, State
from virloom.drivers.qemu.monitor.commands.jobs import (
    block_job_cancel,
    flush_node,
    job_complete,
    job_finalize,
    query_jobs,
)
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.enums.domain import ConnectDomainEventBlockJobStatus as Status
from virloom.enums.error import ErrorDomain
from virloom.errors import BlockCopyActive, OperationFailed, OperationInvalid, VirloomError

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)


async def pivot(
    driver: QemuDriver, running: RunningGuest, job: BlockJob, *, wait: bool = True
) -> None:
    """Has the disk be the copy from now on; a job that changes the domain is held.

    Raises:
        OperationInvalid: It is no copy.
        BlockCopyActive: The copy is not the same yet.
        OperationFailed: QEMU fails in it; the disk is what it was.
    """
    _check_not_ending(job)
    if not job.mirrors:
        raise OperationInvalid(
            f"job type '{job.kind}' does not support pivot", domain=ErrorDomain.QEMU
        )
    if job.state is not State.READY:
        raise BlockCopyActive(
            f"block job '{job.id}' not ready for pivot yet", domain=ErrorDomain.QEMU
        )
    await _tell(driver, running, job, Input.PIVOT, wait=wait)
    if wait and job.status != Status.COMPLETED:
        raise OperationFailed(
            f"block job '{job.id}' failed while pivoting: {job.error}", domain=ErrorDomain.QEMU
        )


async def abort(
    driver: QemuDriver, running: RunningGuest, job: BlockJob, *, wait: bool = True
) -> None:
    """Gives a job up; the disk stays what it is. A job that changes the domain is held.

    Raises:
        OperationInvalid: Somebody ends it already.
        InternalError: QEMU refuses.
    """
    _check_not_ending(job)
    await _tell(driver, running, job, Input.ABORT, wait=wait)


def _check_not_ending(job: BlockJob) -> None:
    if job.state in (State.RUNNING, State.READY):
        return
    raise OperationInvalid(
        f"block job on disk '{job.alias}' is still being ended", domain=ErrorDomain.QEMU
    )


async def _tell(
    driver: QemuDriver, running: RunningGuest, job: BlockJob, input: Input, *, wait: bool
) -> None:
    """Has QEMU end a job; who waits deals with its end."""
    job.move(input)
    job.waited_for = wait
    disk = job.disk(running)
    if disk is not None and disk.mirror is not None:
        disk.mirror.ready = "pivot" if input is Input.PIVOT else "abort"
    keep(running, job)
    try:
        reached("job-pivoting" if input is Input.PIVOT else "job-aborting")
        if input is Input.PIVOT:
            await job_complete(running, job.id)
        else:
            await block_job_cancel(running, job.id)
    except VirloomError:
        job.waited_for = False
        if running.guest.running is running and not job.concluded.is_set():
            await go_on(driver, running, job)
        raise
    if wait:
        await wait_for_end(driver, running, job)


async def finalize(running: RunningGuest, job: BlockJob) -> None:
    """Lets a job that is pending change the chain, once what it copied is on the disk.

    QEMU changes the reference in the header before the tables that say where the copied data are:
    if it were killed in between, the data would be nowhere.
    """
    reached("job-pending")
    try:
        await flush_node(running, job.flushed or "")
        reached("job-flushed")
        await job_finalize(running, job.id)
    except VirloomError as exc:
        if running.guest.running is not running or job.concluded.is_set():
            return  # it has been given up, or the guest has ended
        logger.error("domain '%s': job '%s': %s", running.guest.name, job.id, exc)
        await block_job_cancel(running, job.id)


async def wait_for_end(driver: QemuDriver, running: RunningGuest, job: BlockJob) -> None:
    """Waits for the end of a job, and deals with it; a job that changes the domain is held.

    Raises:
        OperationInvalid: The guest has ended meanwhile.
    """
    job.waited_for = True
    either: list[asyncio.Future[object]] = [
        asyncio.ensure_future(job.concluded.wait()),
        asyncio.ensure_future(asyncio.shield(running.ended)),
    ]
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future in either:
            future.cancel()
        job.waited_for = False
    running.require_current()
    if not job.settled.is_set():
        await conclude(driver, running, job)


async def go_on(
    driver: QemuDriver, running: RunningGuest, job: BlockJob, *, missed: bool = False
) -> None:
    """A job that QEMU has not ended goes on: as it was, or ready if it has become so."""
    if job.state in (State.PIVOTING, State.ABORTING):
        job.state = State.RUNNING
    disk = job.disk(running)
    was_ready = disk is not None and disk.mirror is not None and disk.mirror.ready is not None
    if was_ready and disk is not None and disk.mirror is not None:
        disk.mirror.ready = None
    found = (await query_jobs(running)).get(job.id)
    if found is not None and found.status == "ready":
        if was_ready and disk is not None and disk.mirror is not None:  # they have been told
            disk.mirror.ready = "yes"
            job.state = State.READY
        else:
            become_ready(driver, running, job, missed=missed)
    keep(running, job)
