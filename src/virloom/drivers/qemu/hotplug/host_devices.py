# SPDX-License-Identifier: Apache-2.0
"""Devices of the host that a guest is to get while it runs: are they there, can it have them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    OperationFailed,
    OperationUnsupported,
    system_failure,
)
from virloom.model.domain import Hostdev, SourceAddress


class UsbDevice(NamedTuple):
    """A USB device of the host: its identity, and where it is."""

    vendor: int
    product: int
    bus: int
    device: int


def usb_devices(root: Path = Path("/")) -> list[UsbDevice]:
    """The USB devices of the host, from ``/sys/bus/usb/devices`` (sysfs-bus-usb).

    Args:
        root: Where the tree of the host begins.

    Raises:
        SystemFailure: The host has no USB.
    """
    directory = root / "sys/bus/usb/devices"
    try:
        names = sorted(os.listdir(directory))
    except OSError as exc:
        raise system_failure(
            f"cannot open directory '{directory}'", exc, domain=ErrorDomain.NONE
        ) from exc
    found = []
    for name in names:
        if ":" not in name:  # an interface of a device
            found.append(_usb_device(directory / name))
    return [device for device in found if device is not None]


def _usb_device(path: Path) -> UsbDevice | None:
    try:
        vendor, product = (int((path / name).read_text(), 16) for name in ("idVendor", "idProduct"))
        bus, device = (int((path / name).read_text()) for name in ("busnum", "devnum"))
    except (OSError, ValueError):
        return None  # it has just been pulled out
    return UsbDevice(vendor, product, bus, device)


def prepare_host_device(hostdev: Hostdev, root: Path = Path("/")) -> None:
    """Finds the device, and notes where it is.

    Raises:
        OperationUnsupported: Nobody plugs such a device (capabilities of containers).
        ConfigUnsupported: The host has nothing that passes such a device on.
        SystemFailure: The host has no bus of that kind, or no such device node.
        InternalError: There is no such device.
        OperationFailed: Several fit.
    """
    if hostdev.mode != "subsystem":
        raise ConfigUnsupported(
            f"live attach of a hostdev of mode '{hostdev.mode}' is not supported",
            domain=ErrorDomain.QEMU,
        )
    if hostdev.type == "usb":
        _find_usb(hostdev, root)
    elif hostdev.type in ("pci", "mdev"):
        _check_vfio(hostdev, root)
    elif hostdev.type == "scsi_host":
        _check_node(root / "dev/vhost-scsi")
        raise OperationUnsupported(
            "live attach of a vhost-scsi device is not supported yet", domain=ErrorDomain.QEMU
        )


def _find_usb(hostdev: Hostdev, root: Path) -> None:
    source = hostdev.source
    vendor = source.vendor.id if source.vendor is not None else None
    product = source.product.id if source.product is not None else None
    place = source.address
    found = [
        device
        for device in usb_devices(root)
        if vendor in (None, device.vendor)
        and product in (None, device.product)
        and (place is None or (place.bus, place.device) == (device.bus, device.device))
    ]
    name = f"{vendor or 0:04x}:{product or 0:04x}"
    if not found:
        raise InternalError(f"the host has no USB device {name}", domain=ErrorDomain.NONE)
    if len(found) > 1:
        raise OperationFailed(
            f"the host has several USB devices {name}",
            domain=ErrorDomain.NONE,
            remedy="their address tells which: "
            + ", ".join(f"bus {device.bus} device {device.device}" for device in found),
        )
    source.address = SourceAddress(bus=found[0].bus, device=found[0].device)
    source.address.kind = "usb"


def _check_vfio(hostdev: Hostdev, root: Path) -> None:
    """Only VFIO passes PCI and mediated devices on; a PCI device must be bound to it already."""
    if not (root / "dev/vfio/vfio").exists() or not _has_groups(root):
        raise ConfigUnsupported(
            "the host cannot pass devices on: it has no IOMMU, or no VFIO", domain=ErrorDomain.QEMU
        )
    address = hostdev.source.address
    if hostdev.type == "mdev":
        name = (address.uuid if address is not None else None) or ""
        if not (root / "sys/bus/mdev/devices" / name).exists():
            raise InternalError(f"the host has no mediated device '{name}'")
        return
    assert address is not None
    name = f"{address.domain or 0:04x}:{address.bus or 0:02x}:{address.slot or 0:02x}"
    name += f".{address.function or 0:x}"
    device = root / "sys/bus/pci/devices" / name
    if not device.exists():
        raise InternalError(f"the host has no PCI device '{name}'", domain=ErrorDomain.NONE)
    driver = device / "driver"
    if not driver.exists() or driver.resolve().name != "vfio-pci":
        raise ConfigUnsupported(
            f"PCI device '{name}' is not bound to vfio-pci, and nobody here binds it",
            domain=ErrorDomain.QEMU,
            remedy="bind it by driverctl or sysfs first",
        )
    hostdev.driver.name = "vfio"


def _has_groups(root: Path) -> bool:
    try:
        return bool(os.listdir(root / "sys/kernel/iommu_groups"))
    except OSError:
        return False


def _check_node(path: Path) -> None:
    try:
        os.stat(path)
    except OSError as exc:
        raise system_failure(f"cannot look at '{path}'", exc, domain=ErrorDomain.QEMU) from exc
