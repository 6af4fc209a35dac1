# SPDX-License-Identifier: Apache-2.0
"""Devices of a guest that is taken over: what came and went while nobody looked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.drivers.qemu.devices.describe import all_devices
from virloom.drivers.qemu.hotplug.assigned import settle_lent
from virloom.drivers.qemu.hotplug.cards import settle_cards
from virloom.drivers.qemu.hotplug.detach import drop, pending
from virloom.drivers.qemu.hotplug.fragment import fragment_of
from virloom.drivers.qemu.hotplug.intention import is_unsettled, present_devices, settle
from virloom.drivers.qemu.hotplug.media import settle_medium
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.domain import DomainEventID

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def settle_devices(driver: QemuDriver, running: RunningGuest) -> None:
    """Finishes what an earlier owner began, and raises the events that were missed.

    Raises:
        VirloomError: QEMU does not answer.
    """
    await settle_medium(running)
    present = await present_devices(running)
    added = await settle(running, present)
    await settle_cards(driver, running)
    await settle_lent(running)
    if added is not None:
        ref = running.guest.ref()
        driver.events.emit_missed(DomainEventID.DEVICE_ADDED, ref, added)
    for device in list(all_devices(running.model)):
        alias = alias_of(device)
        if alias in pending(running) and alias not in present:
            await drop(driver, running, fragment_of(device))
            ref = running.guest.ref()
            driver.events.emit_missed(DomainEventID.DEVICE_REMOVED, ref, alias)


async def settle_before(driver: QemuDriver, running: RunningGuest) -> None:
    """Finds out what became of a device when QEMU did not answer, before the next one is changed.

    Raises:
        VirloomError: QEMU still does not answer.
    """
    if is_unsettled(running):
        await settle_devices(driver, running)
