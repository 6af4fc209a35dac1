# SPDX-License-Identifier: Apache-2.0
"""A guest has lost its leases while it runs: ``<on_lockfailure>``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from virloom.drivers.qemu.process.running import FAILED, RunningGuest
from virloom.drivers.qemu.process.stop import stop
from virloom.drivers.runtime.jobs import Job
from virloom.enums.domain import DomainPausedReason, DomainState

if TYPE_CHECKING:
    from virloom.drivers.qemu.domain import Guest
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: Seconds that QEMU has to end by itself: others may write to its disks soon.
_TERM_LIMIT = 2.0


async def act_on_loss(driver: QemuDriver, guest: Guest) -> None:
    """Does what the guest's document wants; it is powered off where that says nothing.

    ``restart`` starts a persistent domain again, which needs its leases again.

    Raises:
        VirloomError: The guest cannot be stopped, or not be started again.
    """
    running = guest.running
    if running is None or running.cause is not None:
        return
    action = running.model.on_lockfailure or "poweroff"
    guest.note("process", f"has lost its leases: {action}")
    logger.error("domain '%s' has lost its leases: %s", guest.name, action)
    running.leases.lost()
    if action == "ignore":
        await running.leases.try_settle()  # they may be free again
    elif action == "pause":
        await _pause(running)
    else:
        await stop(running, FAILED, term_limit=_TERM_LIMIT)
        if action == "restart":
            await _start_again(driver, guest)


async def _pause(running: RunningGuest) -> None:
    if running.guest.state == DomainState.RUNNING:
        running.pause_reason = DomainPausedReason.UNKNOWN
        await running.execute("stop")


async def _start_again(driver: QemuDriver, guest: Guest) -> None:
    from virloom.drivers.qemu.process.launch import Launch  # see virloom.drivers.qemu.later

    if not guest.persistent:
        logger.warning("domain '%s' is transient, and stays off", guest.name)
        return
    async with guest.jobs.hold(Job.MODIFY, "restart after a lost lease"):
        if not guest.active:
            model = guest.persistent_model().copy()
            await Launch(driver, guest, model, paused=False, autodestroy=False).run()
