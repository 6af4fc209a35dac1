# SPDX-License-Identifier: Apache-2.0
"""A running guest becomes a file.

==================  ================================================================================
what is on disk     what becomes of it when the daemon is killed
==================  ================================================================================
record with job     the partial file is removed, the guest goes on (:mod:`.interrupted`)
partial file        the same
complete file       the guest is ended: all of it is in the file
stage ``stopping``  the same
==================  ================================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from typing import TYPE_CHECKING

from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.hostdevs.state import check_stateless
from virloom.drivers.qemu.process.progress import LongJob
from virloom.drivers.qemu.process.running import SAVED, RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.drivers.qemu.process.stop import stop
from virloom.drivers.qemu.saving.cookie import cookie_of
from virloom.drivers.qemu.saving.image import COMPLETE, PARTIAL, SavedImage
from virloom.drivers.qemu.saving.packing import Pipeline, packing_number, writers
from virloom.drivers.qemu.saving.stream import cancelled, write_state
from virloom.enums.domain import (
    DomainEventID,
    DomainJobOperation,
    DomainJobType,
    DomainPausedReason,
    DomainRunningReason,
    DomainState,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid, VirloomError, system_failure
from virloom.xml import FormatFlags, format_document

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

#: Key of the record's runtime figures under which a save is noted.
JOB = "save"

#: How its document is written.
SAVED_DOCUMENT = FormatFlags.SECURE | FormatFlags.INACTIVE | FormatFlags.MIGRATABLE


def saved_document(running: RunningGuest) -> str:
    """The document that a saved guest is restored with."""
    return format_document(running.migratable_model(), SAVED_DOCUMENT)


class Save:
    """One save of one guest; its asynchronous job is held by the caller.

    Args:
        path: Of the file, which is made or overwritten.
        document: To be restored with; None for the guest's own.
        resume: Whether the restored guest is to run; None as it is now.
        bypass_cache: Keep the host's cache out of it.
    """

    def __init__(
        self,
        driver: QemuDriver,
        running: RunningGuest,
        path: str,
        *,
        document: str | None = None,
        resume: bool | None = None,
        bypass_cache: bool = False,
    ) -> None:
        self._driver = driver
        self._running = running
        self._guest: Guest = running.guest
        self._path = path
        self._document = document
        self._resume = resume
        self._bypass = bypass_cache
        self._job = LongJob(DomainJobOperation.SAVE)
        self._made = False

    async def run(self) -> None:
        """Saves the guest, and ends it.

        Raises:
            VirloomError: It goes on as before, and there is no file.
        """
        packing = packing_number(self._driver.config.save_image_format)
        ran = self._guest.state == DomainState.RUNNING
        resume = ran if self._resume is None else self._resume
        self._guest.job = self._job
        try:
            await self._pause(ran)
            image = SavedImage(
                self._document or saved_document(self._running),
                cookie_of(self._running),
                resume,
                packing,
            ).with_room()
            await self._write(image)
        except BaseException as exc:
            given_up = self._job.cancelled
            self._job.end(DomainJobType.CANCELLED if given_up else DomainJobType.FAILED)
            self._guest.job = None
            await self._undo(ran)
            if given_up and isinstance(exc, VirloomError):
                raise cancelled(self._job) from exc
            raise
        await self._complete()

    async def _pause(self, ran: bool) -> None:
        running = self._running
        running.record.runtime[JOB] = {"path": self._path, "resume": ran, "file": None}
        running.save()
        reached("save-recorded")
        if ran:
            running.pause_reason = DomainPausedReason.SAVE
            await running.execute("stop")
            self._guest.set_state(DomainState.PAUSED, DomainPausedReason.SAVE)
        reached("save-paused")

    async def _write(self, image: SavedImage) -> None:
        fd = self._make()
        pipeline = Pipeline(writers(image.packing, self._bypass), fd, writing=True)
        self._job.on_cancel = pipeline.kill
        try:
            await asyncio.to_thread(_write_head, fd, image.encode(PARTIAL), self._bypass)
            reached("save-file-made")
            await write_state(self._running, self._job, await pipeline.start())
            pipeline.handed_over()
            await pipeline.finished()
            reached("save-written")
            await asyncio.to_thread(_mark_complete, fd)
        except OSError as exc:
            raise system_failure(f"cannot write '{self._path}'", exc) from exc
        finally:
            await pipeline.close()
            os.close(fd)
        if self._job.cancelled:
            raise cancelled(self._job)
        reached("save-complete")

    def _make(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        try:
            fd = os.open(self._path, flags, 0o600)
            kind = os.fstat(fd)
            if stat.S_ISREG(kind.st_mode):
                os.ftruncate(fd, 0)
                self._made = True
        except OSError as exc:
            raise system_failure(
                f"Failed to create file '{self._path}'", exc, domain=ErrorDomain.QEMU
            ) from exc
        note = self._running.record.runtime[JOB]
        note["file"] = [kind.st_dev, kind.st_ino] if self._made else None
        self._running.save()
        return fd

    async def _complete(self) -> None:
        """The file has it all: the guest ends."""
        self._job.end(DomainJobType.COMPLETED)
        self._guest.job, self._guest.completed_job = None, self._job
        self._driver.events.emit(DomainEventID.JOB_COMPLETED, self._guest.ref(), self._job.params())
        if self._guest.running is self._running:
            await stop(self._running, SAVED)

    async def _undo(self, ran: bool) -> None:
        """No file, and the guest goes on as it did."""
        if self._made:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        if self._guest.running is not self._running or self._running.cause is not None:
            return
        self._running.record.runtime.pop(JOB, None)
        with contextlib.suppress(VirloomError):  # it has just ended, or will be seen to have
            if ran and self._guest.state == DomainState.PAUSED:
                self._running.resume_reason = DomainRunningReason.SAVE_CANCELED
                await self._running.go_on()
            self._running.save()


def _write_head(fd: int, data: bytes, bypass_cache: bool) -> None:
    os.write(fd, data)
    if bypass_cache:  # dd turns the cache off for the descriptor
        os.fsync(fd)


def _mark_complete(fd: int) -> None:
    """The magic last, when all before it is on the disk."""
    os.fsync(fd)
    with open(f"/proc/self/fd/{fd}", "r+b", buffering=0) as file:  # without dd's O_DIRECT
        file.write(COMPLETE)
        os.fsync(file.fileno())


async def save_guest(
    driver: QemuDriver,
    guest: Guest,
    path: str,
    *,
    document: str | None = None,
    resume: bool | None = None,
    bypass_cache: bool = False,
) -> None:
    """Saves the running *guest*; as :class:`Save`.

    Raises:
        OperationInvalid: It is not running.
        OperationUnsupported: It has a device whose state cannot be kept.
    """
    running = guest.require_running()
    if running.blockjobs:
        raise OperationInvalid("domain has active block job", domain=ErrorDomain.QEMU)
    if running.cause is not None:
        raise OperationInvalid("domain is not running", domain=ErrorDomain.QEMU)
    check_stateless(running.model)
    await Save(
        driver, running, path, document=document, resume=resume, bypass_cache=bypass_cache
    ).run()
