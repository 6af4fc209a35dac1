# SPDX-License-Identifier: Apache-2.0
"""The backup of a guest that is taken over: it goes on, or nothing is left of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from virloom.drivers.qemu.backup.ending import cancel_parts, finalize
from virloom.drivers.qemu.backup.server import show_images
from virloom.drivers.qemu.backup.state import RunningBackup, keep, recorded
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime.jobs import AsyncJob
from virloom.enums.domain import ConnectDomainEventBlockJobStatus as Status
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)


async def recall(running: RunningGuest) -> None:
    """Remembers the backup before its jobs are looked at."""
    backup = running.backup = recorded(running)
    if backup is None:
        return
    backup.release = await running.guest.jobs.begin_async(AsyncJob.BACKUP, "takeover")
    running.guest.job = backup.job
    try:
        await backup.job.refresh(running)
    except VirloomError as exc:  # of what it has done nobody will know, that is all
        logger.warning("backup of domain '%s': %s", running.guest.name, exc)


async def settle_backup(driver: QemuDriver, running: RunningGuest) -> None:
    """Goes on with it now that what has become of its jobs is known."""
    backup = running.backup
    if backup is None:
        return
    try:
        await _settle(driver, running, backup)
    except VirloomError as exc:
        logger.error("backup of domain '%s': %s", running.guest.name, exc)


async def _settle(driver: QemuDriver, running: RunningGuest, backup: RunningBackup) -> None:
    alive = [part for part in backup.parts if part.job in running.blockjobs]
    begun = bool(alive) or any(part.outcome is not None for part in backup.parts)
    if not begun:
        await finalize(driver, running, backup, told=backup.stage != "preparing")
        return
    for part in backup.parts:
        if part not in alive and part.outcome is None:
            part.outcome = int(Status.FAILED)  # QEMU does not know of it any more
    if not alive:
        await finalize(driver, running, backup)
        return
    if backup.stage == "preparing":
        backup.stage = "running"
        keep(running, backup)
    if backup.pull:
        try:
            await show_images(running, backup)
        except VirloomError as exc:
            running.require_current()
            logger.error("the backup of '%s' is given up: %s", running.guest.name, exc)
            await cancel_parts(driver, running, backup, wait=False)
