# SPDX-License-Identifier: Apache-2.0
"""How messages call a device: by what the author of the document knows it by."""

from __future__ import annotations

from virloom.model.domain import Controller, Device, Disk, Domain, Interface, Video


def describe(dom: Domain, device: Device) -> str:
    """``disk 'vda'``, ``interface 2 (e1000)``, ``sata controller 0``, ``rng 1``."""
    match device:
        case Disk():
            return f"disk '{device.target.dev}'"
        case Controller():
            return f"{device.type} controller {device.index or 0}"
        case Interface():
            number = dom.devices.interfaces.index(device) + 1
            return f"interface {number} ({device.model.type})"
        case Video():
            return f"video '{device.model.type}'"
    group = getattr(dom.devices, f"{device.tag}s", None)
    if isinstance(group, list) and device in group:
        return f"{device.tag} {group.index(device) + 1}"
    return device.tag
