# SPDX-License-Identifier: Apache-2.0
"""Defaults of everything outside ``<cpu>`` and ``<devices>``."""

from __future__ import annotations

import os

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.devices.describe import boots
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain import BootDevice, Clock, Domain
from virloom.xml.kinds import UUID

#: libvirt's name of an architecture that QEMU calls otherwise.
_LIBVIRT_ARCHITECTURES = {"i386": "i686"}


def fill_machine(dom: Domain, caps: BinaryCaps) -> None:
    """Architecture, emulator, and the machine by its canonical name.

    Raises:
        ConfigUnsupported: The machine does not exist, or none is named and QEMU has no default.
    """
    if dom.os.type.arch is None:
        dom.os.type.arch = _LIBVIRT_ARCHITECTURES.get(caps.arch, caps.arch)
    if not dom.devices.emulator:
        dom.devices.emulator = caps.path
    name = dom.os.type.machine or caps.default_machine
    if name is None:
        raise ConfigUnsupported(
            f"'{caps.path}' has no default machine type",
            domain=ErrorDomain.QEMU,
            remedy="name one in <type machine='…'>",
        )
    dom.os.type.machine = caps.machine(name).name


def generated_uuid() -> str:
    """A random UUID (version 4); the standard library's module costs 3 ms of import."""
    octets = bytearray(os.urandom(16))
    octets[6] = octets[6] & 0x0F | 0x40
    octets[8] = octets[8] & 0x3F | 0x80
    text = octets.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _told_uuid(dom: Domain) -> str | None:
    """The UUID that the firmware is to tell, which must be the domain's."""
    for info in dom.sysinfos:
        for entry in info.system.entries if info.type == "smbios" else []:
            if entry.name == "uuid" and entry.value and UUID.parse is not None:
                return UUID.parse(entry.value)
    return None


def fill_guest(dom: Domain) -> None:
    """UUID, memory, vCPUs, clock and the actions."""
    if dom.uuid is None:
        dom.uuid = _told_uuid(dom) or generated_uuid()
    if dom.genid is not None and dom.genid.value is None:
        dom.genid.value = generated_uuid()
    if not dom.current_memory or (dom.memory and dom.current_memory > dom.memory):
        dom.current_memory = dom.memory
    vcpu = dom.vcpu
    if vcpu.value is None:
        vcpu.value = 1
    if vcpu.placement is None:
        vcpu.placement = "static"
    if vcpu.current == vcpu.value:
        vcpu.current = None
    # By name, whatever the order in which they were asked for.
    dom.os.firmware_features.features.sort(key=lambda feature: feature.name or "")
    _fill_clock(dom.clock)
    dom.on_poweroff = dom.on_poweroff or "destroy"
    dom.on_reboot = dom.on_reboot or "restart"
    dom.on_crash = dom.on_crash or "destroy"


def _fill_clock(clock: Clock) -> None:
    clock.offset = clock.offset or "utc"
    if clock.offset in ("utc", "localtime"):
        if clock.adjustment not in (None, "", "reset"):
            clock.adjustment = _number(clock.adjustment)
            clock.basis, clock.offset = clock.offset, "variable"
        elif clock.adjustment == "":
            clock.adjustment = None
    elif clock.offset == "variable":
        clock.adjustment = _number(clock.adjustment)
        clock.basis = clock.basis or "utc"
    else:
        clock.adjustment = None
    for timer in clock.timers:
        timer.frequency = timer.frequency or None
        catchup = timer.catchup
        for name in ("threshold", "slew", "limit"):
            setattr(catchup, name, getattr(catchup, name) or None)


def _number(text: str | None) -> str:
    """What is no number, or none of 64 bits, counts as 0."""
    try:
        number = int(text or "0")
    except ValueError:
        return "0"
    return str(number) if -(1 << 63) <= number < 1 << 63 else "0"


def fill_boot(dom: Domain) -> None:
    """From the hard disk, where neither ``<os>`` nor a device says otherwise."""
    if dom.os.boots:
        return
    if not boots(dom):
        dom.os.boots.append(BootDevice(dev="hd"))
