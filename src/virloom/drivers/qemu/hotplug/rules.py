# SPDX-License-Identifier: Apache-2.0
"""Which devices come and go while a guest runs, as libvirt 9 answers it."""

from __future__ import annotations

import os

from virloom.drivers.qemu.command.attached import VSOCK_DEVICE
from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.drivers.qemu.hotplug.matching import matches
from virloom.drivers.qemu.hotplug.persistent import check_indexed
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    OperationFailed,
    OperationInvalid,
    OperationUnsupported,
    XmlError,
    system_failure,
)
from virloom.model.domain import Domain

#: Kinds that libvirt plugs into a guest and takes from it.
_LIVE = frozenset(
    {
        *("disk", "interface", "controller", "serial", "parallel", "console", "channel", "rng"),
        *("watchdog", "memory", "vsock", "input", "shmem", "redirdev", "hostdev", "lease"),
        "filesystem",
    }
)
#: Buses of disks that take another one while the guest runs.
_DISK_BUSES = ("virtio", "scsi", "usb")
_INPUT_BUSES = ("usb", "virtio")


def _unsupported(text: str) -> OperationUnsupported:
    return OperationUnsupported(text, domain=ErrorDomain.QEMU)


def check_attachable(new: Fragment) -> None:
    """Refuses kinds that nobody plugs into a guest that runs.

    Raises:
        OperationUnsupported: libvirt does not either.
        ConfigUnsupported: libvirt does.
    """
    device = new.device
    if new.tag not in _LIVE:
        raise _unsupported(f"live attach of device '{new.tag}' is not supported")
    check_indexed(new)
    if new.tag == "disk" and device.device == "floppy":
        raise _unsupported("floppy device hotplug isn't supported")
    if new.tag == "controller" and device.type != "scsi":
        raise _unsupported(f"'{device.type}' controller cannot be hot plugged.")
    if new.tag == "input" and (device.bus not in (None, *_INPUT_BUSES) or device.type == "evdev"):
        raise _unsupported(f"input device on bus '{device.bus}' cannot be hot plugged.")
    if new.tag == "filesystem" and device.driver.type != "virtiofs":
        raise _unsupported("only virtiofs filesystems can be hotplugged")
    if new.tag == "input" and device.source is not None and device.source.evdev:
        _check_there(device.source.evdev)
    if new.tag == "vsock" and not os.path.exists(VSOCK_DEVICE):
        raise ConfigUnsupported("unable to open vhost-vsock device", domain=ErrorDomain.QEMU)


def _check_there(path: str) -> None:
    try:
        os.stat(path)
    except OSError as exc:
        raise system_failure(f"cannot look at '{path}'", exc, domain=ErrorDomain.QEMU) from exc


def check_detachable(wanted: Fragment) -> None:
    """Refuses kinds that nobody takes from a guest that runs; raises as :func:`check_attachable`.

    What depends on the device that is found is :func:`check_leaves`.
    """
    if wanted.tag not in _LIVE:
        raise _unsupported(f"live detach of device '{wanted.tag}' is not supported")
    if wanted.tag == "controller" and wanted.device.type != "scsi":
        raise _unsupported(f"'{wanted.device.type}' controller cannot be hot unplugged.")
    if wanted.tag == "hostdev" and wanted.device.mode == "capabilities":
        raise ConfigUnsupported(
            "hostdev mode 'capabilities' is not supported in qemu", domain=ErrorDomain.QEMU
        )


def check_leaves(dom: Domain, found: Fragment) -> None:
    """Refuses to take a device that sits where nothing can be taken, or that others need.

    Raises:
        OperationUnsupported: Its bus does not let it go.
        OperationFailed: A disk sits on the controller.
    """
    device = found.device
    if found.tag == "disk":
        if device.device == "floppy":
            raise _unsupported("disk device type 'floppy' cannot be detached")
        if device.target.bus not in _DISK_BUSES:
            raise _unsupported(f"disk on bus '{device.target.bus}' cannot be detached")
    elif found.tag == "filesystem" and device.driver.type != "virtiofs":
        raise _unsupported("only virtiofs filesystems can be detached")
    elif found.tag == "input" and device.bus not in _INPUT_BUSES:
        raise _unsupported(f"input device on bus '{device.bus}' cannot be detached")
    elif found.tag == "watchdog" and device.model != "i6300esb":
        raise _unsupported(f"watchdog model '{device.model}' cannot be detached")
    elif found.tag == "controller" and _is_used(dom, device.index or 0):
        raise OperationFailed("device cannot be detached: device is busy", domain=ErrorDomain.QEMU)


def _is_used(dom: Domain, index: int) -> bool:
    """Whether something sits on the SCSI controller of that index."""
    users = [disk for disk in dom.devices.disks if disk.target.bus == "scsi"]
    places = [disk.address for disk in users]
    places += [hostdev.address for hostdev in dom.devices.hostdevs if hostdev.type == "scsi"]
    return any(place is not None and (place.controller or 0) == index for place in places)


def drive_for(dom: Domain, new: Fragment) -> Fragment | None:
    """The drive that the guest has already for a CD or floppy: only its medium is new."""
    if new.tag != "disk" or new.device.device not in ("cdrom", "floppy"):
        return None
    for disk in dom.devices.disks:
        if disk.device == new.device.device and disk.target.dev == new.device.target.dev:
            return new.of(disk)
    return None


def check_free(dom: Domain, new: Fragment) -> None:
    """Refuses a device whose name is taken in the guest that runs.

    Raises:
        XmlError: The target of a disk.
        OperationFailed: The index of a controller.
        OperationInvalid: The guest has its only one, or the same lease.
    """
    device, among = new.device, new.among(dom)
    for other in among:
        if new.tag == "disk" and other.target.dev == device.target.dev:
            raise XmlError(
                f"target '{device.target.dev}' duplicated for disk sources "
                f"'{other.source.file or other.source.dev}' and "
                f"'{device.source.file or device.source.dev}'",
                domain=ErrorDomain.DOMAIN,
            )
        if new.tag == "controller" and device.index is not None and matches(new, other):
            raise OperationFailed(
                f"target {device.type}:{device.index} already exists", domain=ErrorDomain.QEMU
            )
        if new.tag in ("lease", "filesystem") and matches(new, other):
            raise OperationInvalid(f"{new.tag} already exists", domain=ErrorDomain.QEMU)
        if new.tag in ("watchdog", "vsock"):
            raise OperationInvalid(f"domain already has a {new.tag}", domain=ErrorDomain.QEMU)
