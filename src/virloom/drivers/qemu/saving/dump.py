# SPDX-License-Identifier: Apache-2.0
"""The memory of a running guest in a file: its whole state, or a core file of its memory alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
import time
from typing import TYPE_CHECKING

from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.process.progress import LongJob
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.saving.packing import Pipeline, packing_number, writers
from virloom.drivers.qemu.saving.save import JOB
from virloom.drivers.qemu.saving.stream import cancelled, write_memory, write_state
from virloom.drivers.runtime.jobs import AsyncJob
from virloom.enums.domain import (
    DomainEventID,
    DomainJobOperation,
    DomainJobType,
    DomainPausedReason,
    DomainRunningReason,
    DomainState,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, VirloomError, system_failure
from virloom.host.files import ensure_directory

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)


class Dump:
    """One dump of one guest; its asynchronous job is held by the caller.

    Args:
        path: Of the file, which is made or overwritten.
        memory: The format of a core file; None for the whole state.
        live: Do not stop the guest for it.
        bypass_cache: Keep the host's cache out of it.
    """

    def __init__(
        self,
        driver: QemuDriver,
        running: RunningGuest,
        path: str,
        *,
        memory: str | None,
        live: bool,
        bypass_cache: bool,
    ) -> None:
        self._driver = driver
        self._running = running
        self._guest: Guest = running.guest
        self._path = path
        self._memory = memory
        self._live = live
        self._bypass = bypass_cache
        self._job = LongJob(DomainJobOperation.DUMP)
        self._made = False

    async def run(self, *, resume: bool, reset: bool) -> None:
        """Writes the file.

        Args:
            resume: Let the guest go on, if it ran.
            reset: Reset it before.

        Raises:
            VirloomError: There is no file, and the guest goes on.
        """
        if self._memory is not None:
            await self._check_format(self._memory)
        packing = packing_number(self._driver.config.dump_image_format, "dump")
        ran = self._guest.state == DomainState.RUNNING
        self._guest.job = self._job
        try:
            self._note(ran, None)
            if ran and not self._live:
                await self._pause()
            await self._write(packing)
            self._end()
        except BaseException as exc:
            given_up = self._job.cancelled
            self._job.end(DomainJobType.CANCELLED if given_up else DomainJobType.FAILED)
            self._guest.job = None
            if self._made:
                with contextlib.suppress(OSError):
                    os.unlink(self._path)
            with contextlib.suppress(VirloomError):
                await self._go_on(ran)
            if given_up and isinstance(exc, VirloomError):
                raise cancelled(self._job) from exc
            raise
        if reset:
            await self._running.execute("system_reset")
        await self._go_on(ran and resume)

    async def _check_format(self, name: str) -> None:
        answer = await self._running.execute("query-dump-guest-memory-capability")
        if name not in answer["formats"]:
            raise InvalidArg(
                f"unsupported dumpformat '{name}' for this QEMU binary", domain=ErrorDomain.QEMU
            )

    def _note(self, ran: bool, file: list[int] | None) -> None:
        self._running.record.runtime[JOB] = {"path": self._path, "resume": ran, "file": file}
        self._running.save()

    async def _pause(self) -> None:
        self._running.pause_reason = DomainPausedReason.DUMP
        await self._running.execute("stop")
        self._guest.set_state(DomainState.PAUSED, DomainPausedReason.DUMP)

    async def _write(self, packing: int) -> None:
        fd = self._make()
        programs = writers(packing, self._bypass) if self._memory is None else []
        pipeline = Pipeline(programs, fd, writing=True)
        self._job.on_cancel = pipeline.kill
        try:
            if self._memory is not None:
                await write_memory(self._running, self._job, fd, self._memory)
            else:
                await write_state(self._running, self._job, await pipeline.start())
            pipeline.handed_over()
            await pipeline.finished()
            await asyncio.to_thread(_sync, fd)
        except OSError as exc:
            raise system_failure(f"cannot write '{self._path}'", exc) from exc
        finally:
            await pipeline.close()
            os.close(fd)

    def _make(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOCTTY
        try:
            fd = os.open(self._path, flags, 0o600)
        except OSError as exc:
            raise system_failure(
                f"Failed to create file '{self._path}'", exc, domain=ErrorDomain.QEMU
            ) from exc
        kind = os.fstat(fd)
        self._made = stat.S_ISREG(kind.st_mode)
        if self._made:
            ran = self._running.record.runtime[JOB]["resume"]
            self._note(ran, [kind.st_dev, kind.st_ino])
        return fd

    def _end(self) -> None:
        if self._job.cancelled:
            raise cancelled(self._job)
        self._job.end(DomainJobType.COMPLETED)
        self._guest.job = None
        if self._memory is None:  # libvirt tells of no other
            self._guest.completed_job = self._job
            self._driver.events.emit(
                DomainEventID.JOB_COMPLETED, self._guest.ref(), self._job.params()
            )

    async def _go_on(self, ran: bool) -> None:
        running = self._running
        if self._guest.running is not running or running.cause is not None:
            return
        running.record.runtime.pop(JOB, None)
        if ran and self._guest.state == DomainState.PAUSED:
            running.resume_reason = DomainRunningReason.UNPAUSED
            await running.go_on()
        running.save()


def _sync(fd: int) -> None:
    if stat.S_ISREG(os.fstat(fd).st_mode):
        os.fsync(fd)


async def dump_barked(driver: QemuDriver, running: RunningGuest) -> None:
    """A watchdog with the action ``dump``: the state in a file, then the guest goes on."""
    guest = running.guest
    directory = driver.directories.lib / "dump"
    try:
        ensure_directory(directory)
        now = time.strftime("%Y-%m-%d-%H:%M:%S", time.gmtime())
        path = directory / f"{guest.id}-{guest.name}-{now}"
        async with guest.jobs.hold_async(AsyncJob.DUMP, "watchdog"):
            running.require_current()
            dump = Dump(driver, running, str(path), memory=None, live=False, bypass_cache=False)
            await dump.run(resume=False, reset=False)
            if guest.state == DomainState.PAUSED:
                await running.go_on()
    except VirloomError as exc:
        logger.error("domain '%s': no dump for its watchdog: %s", guest.name, exc)
