# SPDX-License-Identifier: Apache-2.0
"""The memory of an external snapshot: a file like that of a saved guest, which goes on."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from virloom.drivers.qemu.monitor.client import QmpError
from virloom.drivers.qemu.process.progress import LongJob
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.saving.cookie import cookie_of
from virloom.drivers.qemu.saving.image import COMPLETE, PARTIAL, SavedImage
from virloom.drivers.qemu.saving.packing import Pipeline, packing_number, writers
from virloom.drivers.qemu.saving.save import saved_document
from virloom.drivers.qemu.saving.stream import cancelled, write_state
from virloom.enums.domain import DomainJobOperation, DomainJobType
from virloom.enums.error import ErrorDomain
from virloom.errors import system_failure

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

_EXPORT = "virloom-images"


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
    document, cookie = saved_document(running), cookie_of(running)
    image = SavedImage(document, cookie, ran, packing).with_room()
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


async def use_images_again(running: RunningGuest) -> None:
    """Has QEMU use the images of a guest again that stays paused after its memory was written.

    QEMU lets go of all images when it has written a guest's state, for the host that would go on
    from it, and takes them again when the CPUs run: until then anything that writes to one ends
    QEMU (``assert(!(bs->open_flags & BDRV_O_INACTIVE))``, block/io.c of 7.2). Of all commands that
    do not let the CPUs run, only an export takes them too; nobody can connect to ours.

    Raises:
        InternalError: QEMU refuses.
    """
    tops = [one["top"] for one in running.record.runtime.get("nodes", {}).values() if one["top"]]
    monitor = running.require_monitor()
    with socket.socket(socket.AF_UNIX) as nowhere:
        nowhere.bind("")  # a name of the kernel's, which nobody is told
        nowhere.listen(1)
        await monitor.execute("getfd", {"fdname": _EXPORT}, fds=[nowhere.fileno()])
    started = await _serve(running)
    try:
        for node in tops:
            arguments = {"type": "nbd", "id": _EXPORT, "node-name": node, "name": _EXPORT}
            await running.execute("block-export-add", arguments)
            await running.execute("block-export-del", {"id": _EXPORT, "mode": "hard"})
    finally:
        if started:
            await running.execute("nbd-server-stop")


async def _serve(running: RunningGuest) -> bool:
    """Whether it was us who had QEMU listen."""
    address = {"type": "fd", "data": {"str": _EXPORT}}
    try:
        await running.execute("nbd-server-start", {"addr": address})
    except QmpError:  # somebody has it serve already
        running.require_monitor().submit("closefd", {"fdname": _EXPORT})
        return False
    return True
