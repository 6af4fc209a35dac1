# SPDX-License-Identifier: Apache-2.0
"""Addresses on the channels of s390x and on POWER's VIO bus."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.enums.error import ErrorDomain
from virloom.errors import XmlError
from virloom.model.domain import Address, Device, Domain

#: All virtio devices share one virtual channel subsystem image.
_CSSID = 0xFE

#: The first register address of each kind of VIO device, and the step to the next.
_VIO_BASES = {"network": 0x1000, "disks": 0x2000, "memory": 0x3000, "serial": 0x30000000}
_VIO_STEP = 0x1000


def assign_ccw(dom: Domain) -> None:
    """Channel addresses of all virtio devices; those that the document gives are kept.

    Raises:
        XmlError: Two devices have one address.
    """
    taken: set[tuple[int, int, int]] = set()
    waiting: list[Device] = []
    for device in _channel_devices(dom):
        address = device.address
        if address is not None and address.type == "ccw" and address.devno is not None:
            place = (address.cssid or 0, address.ssid or 0, address.devno)
            if place in taken:
                raise XmlError(
                    f"CCW address {place[0]:x}.{place[1]:x}.{place[2]:04x} is used by two devices",
                    domain=ErrorDomain.DOMAIN,
                )
            taken.add(place)
        elif address is None or address.type in (None, "none", "ccw"):
            waiting.append(device)
    following = 0
    for device in waiting:
        while (_CSSID, 0, following) in taken:
            following += 1
        taken.add((_CSSID, 0, following))
        device.address = Address(type="ccw", cssid=_CSSID, ssid=0, devno=following)


def _channel_devices(dom: Domain) -> Iterator[Device]:
    """In the order in which libvirt gives out numbers."""
    devices = dom.devices
    yield from (d for d in devices.disks if d.target.bus == "virtio")
    yield from (d for d in devices.interfaces if (d.model.type or "").startswith("virtio"))
    yield from (d for d in devices.videos if d.model.type == "virtio")
    yield from (d for d in devices.inputs if d.bus == "virtio")
    yield from (
        c
        for c in devices.controllers
        if c.type == "virtio-serial" or (c.type == "scsi" and c.model == "virtio-scsi")
    )
    if devices.memballoon is not None and devices.memballoon.model != "none":
        yield devices.memballoon
    yield from devices.rngs
    for group in ("filesystems", "vsocks"):
        yield from (d for d in getattr(devices, group, ()) if isinstance(d, Device))


def assign_vio(dom: Domain) -> None:
    """Register addresses of POWER's paravirtual devices.

    Raises:
        XmlError: Two devices have one address.
    """
    taken: set[int] = set()
    waiting: list[tuple[Device, str]] = []
    for device, kind in _vio_devices(dom):
        address = device.address
        if address is not None and address.type == "spapr-vio" and address.reg is not None:
            if address.reg in taken:
                raise XmlError(
                    f"spapr-vio address {address.reg:#x} is used by two devices",
                    domain=ErrorDomain.QEMU,
                )
            taken.add(address.reg)
        elif address is None or address.type in (None, "none", "spapr-vio"):
            waiting.append((device, kind))
    for device, kind in waiting:
        register = _VIO_BASES[kind]
        while register in taken:
            register += _VIO_STEP
        taken.add(register)
        device.address = Address(type="spapr-vio", reg=register)


def _vio_devices(dom: Domain) -> Iterator[tuple[Device, str]]:
    devices = dom.devices
    yield from ((d, "network") for d in devices.interfaces if d.model.type == "spapr-vlan")
    yield from (
        (c, "disks") for c in devices.controllers if c.type == "scsi" and c.model == "ibmvscsi"
    )
    yield from ((d, "serial") for d in devices.serials if d.target.type == "spapr-vio-serial")
    yield from ((d, "memory") for d in devices.nvrams if isinstance(d, Device))
