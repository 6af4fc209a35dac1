# SPDX-License-Identifier: Apache-2.0
"""Devices of a guest that is taken over: what came and went while nobody looked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.drivers.qemu.devices.describe import all_devices
from virloom.drivers.qemu.hotplug.detach import drop, pending
from virloom.drivers.qemu.hotplug.fragment import fragment_of
from virloom.drivers.qemu.hotplug.intention import settle
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
    answer = await running.execute("qom-list", {"path": "/machine/peripheral"})
    present = {str(item["name"]) for item in answer}
    added = await settle(running, present)
    if added is not None:
        ref = running.guest.ref()
        driver.events.emit_missed(DomainEventID.DEVICE_ADDED, ref, added)
    for device in list(all_devices(running.model)):
        alias = alias_of(device)
        if alias in pending(running) and alias not in present:
            await drop(running, fragment_of(device))
            ref = running.guest.ref()
            driver.events.emit_missed(DomainEventID.DEVICE_REMOVED, ref, alias)
