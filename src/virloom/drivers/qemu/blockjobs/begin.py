# SPDX-License-Identifier: Apache-2.0
"""A block job begins: it is in the record first, and QEMU is told then."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from virloom.drivers.qemu.block.layers import Command
from virloom.drivers.qemu.block.owners import disown
from virloom.drivers.qemu.blockjobs.job import BlockJob, forget, keep
from virloom.drivers.qemu.blockjobs.machine import Input
from virloom.drivers.qemu.hotplug.intention import take_back
from virloom.drivers.qemu.monitor.commands.jobs import create, job_dismiss, query_jobs
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.process.steps import reached
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, OperationTimeout, VirloomError


class Preparation:
    """What is made for a job before it begins: all or nothing.

    ::

        async with Preparation(running, job) as preparation:
            ...                      # nodes are made, each noted by preparation.note
            await preparation.tell("block-stream", {...})
    """

    def __init__(self, running: RunningGuest, job: BlockJob) -> None:
        self._running = running
        self._job = job

    async def __aenter__(self) -> Preparation:
        keep(self._running, self._job)
        reached("job-noted")
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        if isinstance(error, VirloomError) and self._running.guest.running is self._running:
            await undo(self._running, self._job)
        else:  # the guest's end takes everything along; a cancelled caller's job is concluded
            self._running.blockjobs.pop(self._job.id, None)

    def note(self, commands: Sequence[Command]) -> None:
        """Keeps what takes back what is about to be done."""
        self._job.note_undo(commands)
        keep(self._running, self._job)

    def makes(self, path: str | None) -> None:
        """Notes a file that is about to be made, and goes if the job does not begin."""
        self._job.made = path
        keep(self._running, self._job)

    async def tell(self, command: str, arguments: dict[str, Any]) -> None:
        """Has QEMU begin the job.

        Raises:
            InternalError: It refuses.
        """
        reached(f"before-{command}")
        job = self._job
        async with unheard(self._running, [job.id]):
            await self._running.execute(command, arguments)
        if not job.concluded.is_set():
            job.move(Input.STARTED)
        job.made = None
        keep(self._running, job)
        reached("job-started")


@asynccontextmanager
async def unheard(running: RunningGuest, ids: Sequence[str]) -> AsyncIterator[None]:
    """Beginning jobs is done, although QEMU's answer was not heard, if QEMU has them then.

    QEMU does commands in their order: once it answers another one, the first has been done or lost.
    """
    try:
        yield
    except OperationTimeout:
        found = await query_jobs(running)
        if not all(id in found for id in ids):
            raise


async def undo(running: RunningGuest, job: BlockJob) -> None:
    """A job that has never begun: what was made for it goes, and nobody is told."""
    disk = job.disk(running)
    if disk is not None:
        disk.mirror = None
    await take_back(running, job.undo)
    _forget_sets(running, job.undo)
    if disk is not None:
        disown(running, disk)
    if job.made is not None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(job.made)
    forget(running, job)
    await running.leases.try_settle()
    job.settled.set()


def _forget_sets(running: RunningGuest, commands: Sequence[Command]) -> None:
    """The record's names of descriptor sets that have been taken back."""
    gone = {arguments["fdset-id"] for name, arguments in commands if name == "remove-fd"}
    sets = running.record.runtime.get("fdsets", {})
    for key in [key for key, number in sets.items() if number in gone]:
        del sets[key]


async def _dismiss(running: RunningGuest, id: str, formatted: asyncio.Event) -> None:
    """Has QEMU forget a job that it may have begun without saying so; it keeps its nodes."""
    with contextlib.suppress(VirloomError):
        if id in await query_jobs(running):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(running.guest.patience.answer):
                    await formatted.wait()
            await job_dismiss(running, id)


async def format_image(running: RunningGuest, node: str, options: dict[str, Any]) -> None:
    """Formats an image whose storage node is there (``blockdev-create``), and waits for it.

    Args:
        node: The name of the format node that it is going to have.
        options: QEMU's ``BlockdevCreateOptions``.

    Raises:
        OperationFailed: QEMU cannot format it.
        OperationInvalid: The guest has ended meanwhile.
    """
    id = f"create-{node}"
    formatted = running.formatting[id] = asyncio.Event()
    try:
        command, arguments = create(id, options)
        reached(f"before-{command}")
        await running.execute(command, arguments)
        await formatted.wait()
        running.require_current()
        found = (await query_jobs(running)).get(id)
        await job_dismiss(running, id)
    except VirloomError:
        if running.guest.running is running:
            await _dismiss(running, id, formatted)
        raise
    finally:
        running.formatting.pop(id, None)
    if found is None or found.error is not None:
        reason = found.error if found is not None else "QEMU has lost the job"
        raise OperationFailed(f"failed to format image: '{reason}'", domain=ErrorDomain.QEMU)
