# SPDX-License-Identifier: Apache-2.0
"""Domains that start with the driver: at its first opening after the host has booted."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from virloom.drivers.qemu.saving.managed import open_managed
from virloom.drivers.runtime.autostart import first_since_boot
from virloom.drivers.runtime.jobs import Job
from virloom.errors import VirloomError

if TYPE_CHECKING:
    from virloom.drivers.qemu.domain import Guest
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)


async def autostart(driver: QemuDriver) -> None:
    """Starts the domains that start by themselves; one that fails does not keep the others.

    Raises:
        SystemFailure: The mark of this boot cannot be written.
    """
    if not first_since_boot(driver.directories.run / "autostarted"):
        return
    for guest in driver.guests:
        if guest.active or not guest.persistent or not driver.store.autostarts(guest.name):
            continue
        try:
            async with guest.jobs.hold(Job.MODIFY, "autostart"):
                await _start(driver, guest)
        except VirloomError as exc:
            logger.error("domain '%s' cannot be started by itself: %s", guest.name, exc)


async def _start(driver: QemuDriver, guest: Guest) -> None:
    """Boots a domain, or lets it go on from the state that is kept of it."""
    from virloom.drivers.qemu.process.launch import Launch  # virloom.drivers.qemu.later
    from virloom.drivers.qemu.saving.restore import restored_model

    model = guest.persistent_model().copy()
    incoming = open_managed(driver, guest, bypass_cache=driver.config.auto_start_bypass_cache)
    try:
        if incoming is not None:
            model = await restored_model(driver, incoming, None)
        await Launch(driver, guest, model, paused=False, autodestroy=False, incoming=incoming).run()
    finally:
        if incoming is not None:
            incoming.close()
