# SPDX-License-Identifier: Apache-2.0
"""A device of a guest that runs is changed: the medium of a drive, the link of a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.drivers.qemu.hotplug.matching import IN_GUEST, find, includes, matches
from virloom.drivers.qemu.hotplug.media import change_medium
from virloom.drivers.qemu.hotplug.persistent import kind_name
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    DeviceMissing,
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
        await _update_interface(running, changed)
    elif changed.tag == "graphics":
        await _update_graphics(running, changed)
    elif changed.tag == "memory":
        raise _refuse("memory to be updated not found")
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


async def _update_interface(running: RunningGuest, changed: Fragment) -> None:
    new: Any = changed.device
    card = find(running.model, changed, IN_GUEST)
    state, new.link.state = new.link.state, None
    new.model.type = new.model.type or "rtl8139"
    if not includes(card, new):
        raise _unsupported(
            "only the link of a network card can be changed while the guest runs yet"
        )
    if (state or "up") != (card.link.state or "up"):
        up = (state or "up") == "up"
        await running.execute("set_link", {"name": alias_of(card), "up": up})
    card.link.state = state
    running.set_document()
    running.save()


async def _update_graphics(running: RunningGuest, changed: Fragment) -> None:
    new: Any = changed.device
    for display in running.model.devices.graphics:
        if display.type != new.type:
            continue
        password, new.passwd = new.passwd, None
        if new.passwd_valid_to is not None or not includes(display, new):
            raise _refuse(f"only the password of a '{new.type}' display can be changed live yet")
        if password is not None and password != display.passwd:
            arguments = {"protocol": new.type, "password": password}
            await running.execute("set_password", arguments)
            display.passwd = password
            running.set_document()
            running.save()
        return
    raise DeviceMissing(f"there is no display of type '{new.type}'", domain=ErrorDomain.QEMU)
