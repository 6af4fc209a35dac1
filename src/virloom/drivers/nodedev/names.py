# SPDX-License-Identifier: Apache-2.0
"""What kind of node device one of the kernel's is, and what it is called."""

from __future__ import annotations

import re
from collections.abc import Mapping

from virloom.drivers.nodedev.tree import SysDevice

#: The kernel's ``DEVTYPE`` → the kind.
_BY_TYPE: Mapping[str, str] = {
    "usb_device": "usb_device",
    "usb_interface": "usb",
    "scsi_host": "scsi_host",
    "scsi_target": "scsi_target",
    "scsi_device": "scsi",
    "disk": "storage",
    "wlan": "net",
    "drm_minor": "drm",
    "ap_card": "ap_card",
    "ap_queue": "ap_queue",
}
#: Of devices without a type.
_BY_SUBSYSTEM: Mapping[str, str] = {
    "scsi_generic": "scsi_generic",
    "mdev": "mdev",
    "ccw": "ccw",
    "css": "css",
    "vdpa": "vdpa",
    "matrix": "ap_matrix",
}


def kind_of(device: SysDevice) -> str | None:
    """The kind, which is the type of its first capability; None of those that are not listed."""
    properties = device.properties
    devtype = properties.get("DEVTYPE")
    if devtype is not None:
        return _BY_TYPE.get(devtype)
    if "PCI_CLASS" in properties:
        return "pci"
    if "INTERFACE" in properties:
        return "net"
    return _BY_SUBSYSTEM.get(device.subsystem)


def name_of(device: SysDevice, *more: str | None) -> str:
    """The name: subsystem, the kernel's name, and what else tells it from others."""
    if device.subsystem == "matrix":  # the only one of its kind
        return "ap_matrix"
    parts = [device.subsystem, device.name, *(one for one in more if one)]
    return re.sub(r"[^0-9A-Za-z]", "_", "_".join(parts))
