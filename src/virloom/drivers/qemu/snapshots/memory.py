# SPDX-License-Identifier: Apache-2.0
"""The memory of an external snapshot: a file like that of a saved guest, which goes on."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from virloom.drivers.qemu.process.progress import LongJob
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.saving.image import COMPLETE, PARTIAL, SavedImage
from virloom.drivers.qemu.saving.packing import Pipeline, packing_number, writers
from virloom.drivers.qemu.saving.save import saved_document
from virloom.drivers.qemu.saving.stream import cancelled, write_state
from virloom.enums.domain import DomainJobOperation, DomainJobType
from virloom.enums.error import ErrorDomain
from virloom.errors import system_failure

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def write_memory(driver: QemuDriver, running: RunningGuest, path: str, *, ran: bool) -> None:
    """Writes the guest's state; afterwards its CPUs do not run.

    Args:
        path: Of the file, which is made or overwritten.
        ran: Whether a guest that goes on from it is to run.

    Raises:
        OperationAborted: Somebody gave the job up.
        SystemFailure: The file cannot be written.
        OperationFailed: QEMU failed.
    """
    packing = packing_number(driver.config.snapshot_image_format)
    image = SavedImage(saved_document(running), "", ran, packing).with_room()
    job = running.guest.job = LongJob(DomainJobOperation.SNAPSHOT)
    try:
        await _write(running, job, image, path)
    except BaseException:
        job.end(DomainJobType.CANCELLED if job.cancelled else DomainJobType.FAILED)
        running.guest.job = None
        raise
    job.end(DomainJobType.COMPLETED)
    running.guest.job, running.guest.completed_job = None, job


async def _write(running: RunningGuest, job: LongJob, image: SavedImage, path: str) -> None:
    fd = _open(path)
    pipeline = Pipeline(writers(image.packing, False), fd, writing=True)
    job.on_cancel = pipeline.kill
    try:
        await asyncio.to_thread(os.write, fd, image.encode(PARTIAL))
        reached("snapshot-memory-begun")
        await write_state(running, job, await pipeline.start())
        pipeline.handed_over()
        await pipeline.finished()
        await asyncio.to_thread(_mark_complete, fd)
    except OSError as exc:
        raise system_failure(f"cannot write '{path}'", exc, domain=ErrorDomain.QEMU) from exc
    finally:
        await pipeline.close()
        os.close(fd)
    if job.cancelled:
        raise cancelled(job)
    reached("snapshot-memory-written")


def _open(path: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(path, flags, 0o600)
    except OSError as exc:
        raise system_failure(
            f"Failed to create file '{path}'", exc, domain=ErrorDomain.QEMU
        ) from exc


def _mark_complete(fd: int) -> None:
    os.fsync(fd)
    os.pwrite(fd, COMPLETE, 0)
    os.fsync(fd)
