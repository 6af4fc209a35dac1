# SPDX-License-Identifier: Apache-2.0
"""A device of a guest that runs is changed: the medium of a drive, the link of a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.block import volumes
from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.drivers.qemu.hotplug.matching import includes, matches
from virloom.drivers.qemu.hotplug.media import change_medium
from virloom.drivers.qemu.hotplug.persistent import kind_name
from virloom.drivers.qemu.hotplug.update_graphics import update_graphics
from virloom.drivers.qemu.hotplug.update_interface import update_interface
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.tuning.flexible import resize
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    OperationUnsupported,
)

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver


async def update(
    driver: QemuDriver, running: RunningGuest, changed: Fragment, *, force: bool
) -> None:
    """Changes a device; a job that changes the domain is held.

    Args:
        force: Open the tray of a drive that the guest has locked.

    Raises:
        ConfigUnsupported: No such device is changed live, or nothing here does it yet.
        OperationUnsupported: This of the device is not changed live.
        InternalError: There is no such disk (libvirt's code for it), or QEMU refuses.
        DeviceMissing: There is no such other device.
    """
    if changed.tag == "disk":
        await _update_disk(driver, running, changed, force=force)
    elif changed.tag == "interface":
        await update_interface(driver, running, changed)
    elif changed.tag == "graphics":
        await update_graphics(driver, running, changed)
    elif changed.tag == "memory":
        await resize(running, changed.device)
    else:
        raise _refuse(f"live update of device '{kind_name(changed.tag)}' is not supported")


def _refuse(text: str) -> ConfigUnsupported:
    return ConfigUnsupported(text, domain=ErrorDomain.QEMU)


def _unsupported(text: str) -> OperationUnsupported:
    return OperationUnsupported(text, domain=ErrorDomain.QEMU)


async def _update_disk(
    driver: QemuDriver, running: RunningGuest, changed: Fragment, *, force: bool
) -> None:
    new: Any = changed.device
    await volumes.resolve(driver, [new])
    found = [disk for disk in running.model.devices.disks if matches(changed, disk)]
    if not found:
        raise InternalError(f"disk '{new.target.dev}' not found", domain=ErrorDomain.QEMU)
    disk = found[0]
    if disk.target.bus != (new.target.bus or disk.target.bus):
        raise _unsupported("cannot modify field 'bus' of the disk")
    if disk.device in ("cdrom", "floppy") and (new.device or "disk") == disk.device:
        await change_medium(driver, running, changed.of(disk), new, force=force)
        return
    if (new.source.file, new.source.dev) != (disk.source.file, disk.source.dev):
        raise _refuse("disk source can be changed only in removable drives")
    if not includes(disk, new):
        raise _unsupported(f"cannot modify disk '{new.target.dev}' like that while the guest runs")
