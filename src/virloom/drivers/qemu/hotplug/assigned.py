# SPDX-License-Identifier: Apache-2.0
"""Devices of the host that come to a guest which runs, and leave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virloom.drivers.qemu.devices.describe import all_devices
from virloom.drivers.qemu.devices.passed import as_hostdev, is_function
from virloom.drivers.qemu.hotplug.lock_limit import lower_lock_limit, raise_lock_limit
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.model.domain import Device, Domain, Hostdev, Interface, MemoryDevice

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def take_device(
    driver: QemuDriver, running: RunningGuest, whole: Domain, device: Device
) -> None:
    """Takes a device from the host if it is one of the host's, and lets QEMU lock memory for it.

    Args:
        whole: The guest with the device.

    Raises:
        VirloomError: The guest cannot have it; :func:`give_back_device` is still to be called.
    """
    if isinstance(device, Hostdev):
        from virloom.drivers.qemu.hostdevs.taking import MAY_MISS, take_devices

        await take_devices(driver, running.record, [device], may_miss=MAY_MISS)
    if isinstance(device, Hostdev | Interface | MemoryDevice):
        raise_lock_limit(running, whole, device)


async def give_back_device(driver: QemuDriver, running: RunningGuest, device: Device) -> None:
    """A device has gone from the guest, or did not get in: the host has it again; never fails."""
    lower_lock_limit(running)
    if isinstance(device, Interface) and is_function(device):
        device = as_hostdev(device)
    elif isinstance(device, Interface) and device.type == "direct" and running.record.lent:
        from virloom.drivers.qemu.hostdevs.taking import return_devices

        await return_devices(running.record, [alias_of(device)])  # the VLAN of a function
        running.save()
    if not isinstance(device, Hostdev):
        return
    from virloom.drivers.qemu.hostdevs.taking import give_back

    await give_back(driver, running.record, device)


async def settle_lent(running: RunningGuest) -> None:
    """Gives back what an earlier owner had taken for a device that it did not plug in."""
    lower_lock_limit(running)
    there = {alias_of(device) for device in all_devices(running.model)}
    strays = {str(item["alias"]) for item in running.record.lent} - there
    if strays:
        from virloom.drivers.qemu.hostdevs.taking import return_devices

        await return_devices(running.record, strays)
        running.save()
