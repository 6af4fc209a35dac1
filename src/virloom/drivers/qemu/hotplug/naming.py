# SPDX-License-Identifier: Apache-2.0
"""The alias of a device that is plugged in: a new one, whatever the others are called."""

from __future__ import annotations

import re
from collections.abc import Iterable

from virloom.drivers.qemu.devices.alias import assign_aliases
from virloom.drivers.qemu.hotplug.fragment import Fragment
from virloom.model.domain import Alias, Device, Domain

#: Kinds that are called by their place, which nobody else has.
_PLACED = ("disk", "controller", "memory")


def assign_alias(dom: Domain, new: Fragment) -> str:
    """Names the device, which is in *dom* already, and returns the name.

    A number that was given once is not given to another device while a later one is there, as
    with libvirt 9: the highest is followed by the next.
    """
    device = new.device
    if device.alias is None or not device.alias.is_users:
        device.alias = None
        assign_aliases(dom)
        if new.tag not in _PLACED:
            device.alias = Alias(name=_next(dom, new))
    return str(device.alias.name)


def _next(dom: Domain, new: Fragment) -> str:
    prefix = new.device.alias.name.rstrip("0123456789")
    # A console that mirrors the serial port has that one's name, and counts all the same.
    numbers = [0 if new.tag == "console" and len(new.among(dom)) > 1 else -1]
    for other in _namesakes(dom, new, prefix):
        name = other.alias.name if other.alias is not None else None
        found = re.fullmatch(re.escape(prefix) + r"(\d+)", name or "")
        if other is not new.device and found is not None:
            numbers.append(int(found.group(1)))
    return f"{prefix}{max(numbers) + 1}"


def _namesakes(dom: Domain, new: Fragment, prefix: str) -> Iterable[Device]:
    """The devices that may have a name like that of *new*."""
    if prefix == "hostdev":  # a network card may be one
        return [*dom.devices.interfaces, *dom.devices.hostdevs]
    return new.among(dom)
