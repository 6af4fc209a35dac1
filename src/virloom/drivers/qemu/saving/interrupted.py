# SPDX-License-Identifier: Apache-2.0
"""Saves and restores that the former owner did not live to finish."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import Any

from virloom.drivers.qemu.process.running import SAVED, RunningGuest
from virloom.drivers.qemu.process.stop import stop
from virloom.drivers.qemu.saving import stream
from virloom.drivers.qemu.saving.image import COMPLETE
from virloom.drivers.qemu.saving.restore import RESTORED
from virloom.drivers.qemu.saving.save import JOB
from virloom.drivers.runtime.jobs import AsyncJob
from virloom.enums.domain import DomainRunningReason, DomainState

logger = logging.getLogger(__name__)


async def settle(running: RunningGuest) -> None:
    """Brings what was going on to an end: the guest runs, or a complete file has it.

    Raises:
        VirloomError: QEMU does not do it.
    """
    runtime = running.record.runtime
    async with running.guest.jobs.hold_async(AsyncJob.SAVE, "takeover"):
        if JOB in runtime:
            await _settle_save(running, runtime[JOB])
        if RESTORED in runtime:
            await _settle_restore(running, runtime[RESTORED])


async def _settle_save(running: RunningGuest, note: dict[str, Any]) -> None:
    magic = _magic(note)
    if magic == COMPLETE:
        await stop(running, SAVED)
        return
    await stream.cancel(running)
    if magic is not None:
        logger.warning("'%s' is removed: its writing was interrupted", note["path"])
        with contextlib.suppress(OSError):
            os.unlink(note["path"])
    del running.record.runtime[JOB]
    if note["resume"] and running.guest.state == DomainState.PAUSED:
        running.resume_reason = DomainRunningReason.SAVE_CANCELED
        await running.go_on()
    running.save()


def _magic(note: dict[str, Any]) -> bytes | None:
    """How the file begins; None where it is not the one that was being written."""
    if note["file"] is None:
        return None
    try:
        with open(note["path"], "rb", buffering=0) as file:
            about = os.fstat(file.fileno())
            return file.read(len(COMPLETE)) if _same(about, note["file"]) else None
    except OSError:
        return None


def _same(about: os.stat_result, file: list[int]) -> bool:
    return [about.st_dev, about.st_ino] == file


async def _settle_restore(running: RunningGuest, note: dict[str, Any]) -> None:
    """The state had been loaded; from where it came nobody may load it again."""
    if note["resume"] and running.guest.state == DomainState.PAUSED:
        running.resume_reason = DomainRunningReason.RESTORED
        await running.go_on()
    if note["managed"]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(note["managed"])
    del running.record.runtime[RESTORED]
    running.save()
