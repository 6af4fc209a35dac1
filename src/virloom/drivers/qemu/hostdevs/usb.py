# SPDX-License-Identifier: Apache-2.0
"""USB devices of the host: which one a document means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, OperationFailed, system_failure
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


def find_usb(hostdev: Hostdev, root: Path = Path("/")) -> None:
    """Notes where the device is that a document means.

    Raises:
        SystemFailure: The host has no USB.
        InternalError: There is no such device.
        OperationFailed: Several fit.
    """
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
