# SPDX-License-Identifier: Apache-2.0
"""All devices of a guest, and how messages call one: by what its author knows it by."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.model.domain import Boot, Controller, Device, Disk, Domain, Interface, Video


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


def all_devices(dom: Domain) -> Iterator[Device]:
    """Every device that can have an alias; a console that mirrors a serial port is none."""
    consoles = dom.devices.consoles
    mirror = consoles[0] if consoles and consoles[0].target.type in (None, "serial") else None
    for value in list(dom.devices.__dict__.values()):
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, Device) and item is not mirror:
                yield item


def boots(dom: Domain) -> list[Boot]:
    """What devices say of the order in which the firmware tries them."""
    found = (getattr(device, "boot", None) for device in all_devices(dom))
    return [boot for boot in found if isinstance(boot, Boot) and boot.order is not None]
