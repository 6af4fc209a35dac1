# SPDX-License-Identifier: Apache-2.0
"""Block jobs of a guest that is taken over.

QEMU keeps every job until it is told to dismiss it, so what it has is what there is: a job that it
does not know has never begun, or has been dismissed, which the record then says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.drivers.qemu.block.live_nodes import settle_swaps
from virloom.drivers.qemu.blockjobs.begin import undo
from virloom.drivers.qemu.blockjobs.conclusion import conclude, leave_alone
from virloom.drivers.qemu.blockjobs.ending import finalize, go_on
from virloom.drivers.qemu.blockjobs.events import become_ready
from virloom.drivers.qemu.blockjobs.job import BlockJob, keep, recorded
from virloom.drivers.qemu.blockjobs.machine import Input, State
from virloom.drivers.qemu.monitor.commands.jobs import JobInfo, job_dismiss, query_jobs
from virloom.drivers.qemu.process.running import RunningGuest

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def settle_blockjobs(driver: QemuDriver, running: RunningGuest) -> None:
    """Finishes, takes back or goes on with what an earlier owner of the guest began.

    Raises:
        VirloomError: QEMU does not answer.
    """
    await settle_swaps(running)
    known = await query_jobs(running)
    for id, found in known.items():
        if id.startswith("create-") and found.status == "concluded":
            await job_dismiss(running, id)
    for job in recorded(running):
        running.blockjobs[job.id] = job
        await _settle(driver, running, job, known.get(job.id))


async def _settle(
    driver: QemuDriver, running: RunningGuest, job: BlockJob, found: JobInfo | None
) -> None:
    over = job.state in (State.CONCLUDED, State.SETTLED)
    if job.state is State.NEW and found is None:
        await undo(running, job)
        await leave_alone(driver, running, job)
    elif over or found is None or found.status == "concluded":
        await conclude(driver, running, job, missed=True)
    elif job.state in (State.PIVOTING, State.ABORTING):
        # Whoever wanted that got no answer, and will ask again.
        await go_on(driver, running, job, missed=True)
    else:
        if job.state is State.NEW:
            job.move(Input.STARTED)
        if found.status == "ready":
            become_ready(driver, running, job, missed=True)
        keep(running, job)
    if found is not None and found.status == "pending" and job.flushed:
        driver.background(finalize(running, job), f"end of job '{job.id}'")
