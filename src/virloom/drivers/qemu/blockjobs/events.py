# SPDX-License-Identifier: Apache-2.0
"""What QEMU says of jobs, and what clients are told of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from virloom.drivers.qemu.blockjobs.job import BlockJob, keep
from virloom.drivers.qemu.blockjobs.machine import Input, State, is_possible
from virloom.drivers.qemu.process.resources import image_path
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.enums.domain import ConnectDomainEventBlockJobStatus, DomainEventID
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: QEMU's ``JobStatus``; others of it mean nothing to us.
_INPUTS = {"ready": Input.READY, "concluded": Input.CONCLUDED}


def job_changed(driver: QemuDriver, running: RunningGuest, id: str, status: str) -> None:
    """QEMU's event of a job that goes from one state to the next."""
    formatted = running.formatting.get(id)
    if formatted is not None and status == "concluded":
        formatted.set()
    job, input = running.blockjobs.get(id), _INPUTS.get(status)
    if job is not None and status == "pending" and job.flushed:
        from virloom.drivers.qemu.blockjobs.ending import finalize

        driver.background(finalize(running, job), f"end of job '{id}'")
    if job is None or input is None or not is_possible(job.state, input):
        return
    if input is Input.READY:
        become_ready(driver, running, job)
        return
    job.concluded.set()
    if not job.waited_for:
        from virloom.drivers.qemu.blockjobs.conclusion import conclude_later

        driver.background(conclude_later(driver, running, job), f"end of job '{id}'")


def become_ready(
    driver: QemuDriver, running: RunningGuest, job: BlockJob, *, missed: bool = False
) -> None:
    """Both images are the same from now on: the document shows it, and clients are told."""
    if job.state in (State.READY, State.PIVOTING, State.ABORTING):
        return
    job.move(Input.READY)
    disk = job.disk(running)
    if disk is not None and disk.mirror is not None:
        disk.mirror.ready = "yes"
    try:
        keep(running, job)
    except VirloomError as exc:  # whoever takes the guest over asks QEMU
        logger.error("domain '%s': %s", running.guest.name, exc)
    job.ready.set()
    reached("job-ready")
    emit(driver, running, job, ConnectDomainEventBlockJobStatus.READY, missed=missed)


def emit(
    driver: QemuDriver,
    running: RunningGuest,
    job: BlockJob,
    status: ConnectDomainEventBlockJobStatus,
    *,
    missed: bool = False,
) -> None:
    """Tells clients of a job: the older event names the image, the newer one the disk."""
    disk = job.disk(running)
    if job.quiet or disk is None:
        return
    send = driver.events.emit_missed if missed else driver.events.emit
    ref, kind, said = running.guest.ref(), int(job.type), int(status)
    send(DomainEventID.BLOCK_JOB, ref, image_path(disk) or "", kind, said)
    send(DomainEventID.BLOCK_JOB_2, ref, disk.target.dev or "", kind, said)
