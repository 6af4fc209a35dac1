# SPDX-License-Identifier: Apache-2.0
"""Kinds of addresses: which of them a machine has, and which devices take which."""

from __future__ import annotations

from virloom.drivers.qemu.devices.describe import all_devices, describe
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError
from virloom.model.domain import Device, Disk, Domain, Serial

#: Devices whose place libvirt 9 never looks at.
_UNCHECKED = ("channel", "hub", "memory")

#: Those whose ACPI index it does not look at.
_WITHOUT_INDEX = ("console", "panic", "parallel", "serial", "tpm")

#: The kind of address that a serial port of that target has.
_SERIAL_ADDRESSES = {"isa-serial": "isa", "isa-debug": "isa", "pci-serial": "pci"}


def check_given_addresses(dom: Domain) -> None:
    """What an address of each kind has to say.

    Raises:
        InternalError: It has no kind, or a part of its numbers.
    """
    for device in all_devices(dom):
        address = device.address
        if address is None:
            continue
        if address.type is None:
            raise InternalError(
                f"the address of {device.tag or 'a device'} has no type", domain=ErrorDomain.DOMAIN
            )
        parts = (address.cssid, address.ssid, address.devno)
        if address.type == "ccw" and None in parts and any(part is not None for part in parts):
            raise InternalError(
                "an address of type 'ccw' has cssid, ssid and devno", domain=ErrorDomain.DEVICE
            )


def check_addresses(dom: Domain) -> None:
    """Refuses addresses of kinds that the machine or the device does not have.

    Raises:
        ConfigUnsupported: One does not fit.
    """
    ccw = (dom.os.type.machine or "").startswith("s390-ccw")
    for device in all_devices(dom):
        kind = device.address.type if device.address is not None else None
        if device.tag not in _UNCHECKED and kind is not None:
            _check_own(dom, device, kind)
            _check_kind(dom, device, kind, ccw=ccw)
        if _has_acpi_index(device) and kind != "pci" and device.tag not in _WITHOUT_INDEX:
            raise ConfigUnsupported(
                f"{describe(dom, device)} has an ACPI index, which only PCI devices have",
                domain=ErrorDomain.QEMU,
            )


def _has_acpi_index(device: Device) -> bool:
    return bool(device.acpi.index)


def _check_kind(dom: Domain, device: Device, kind: str, *, ccw: bool) -> None:
    """What holds for every device."""
    where = f"{describe(dom, device)} of machine '{dom.os.type.machine}'"
    assert device.address is not None
    if device.address.zpci and dom.os.type.arch != "s390x":
        raise ConfigUnsupported(
            f"{where} has a zPCI address, which s390x alone has", domain=ErrorDomain.QEMU
        )
    if kind == "ccw" and not ccw:
        raise ConfigUnsupported(
            f"{where} cannot have an address of type 'ccw'", domain=ErrorDomain.QEMU
        )
    if kind == "unassigned" and device.tag != "hostdev":
        raise ConfigUnsupported(
            f"{where} cannot be 'unassigned', as only host devices can",
            domain=ErrorDomain.DOMAIN,
        )


def _check_own(dom: Domain, device: Device, kind: str) -> None:
    """What holds for some devices, and is looked at first."""
    wanted: str | None = None
    match device.tag:
        case "panic" if getattr(device, "model", None) == "isa":
            wanted = "isa"
        case "watchdog" if kind not in ("ccw", "unassigned"):
            wanted = "pci" if getattr(device, "model", None) == "i6300esb" else None
    if isinstance(device, Serial) and kind not in ("ccw", "unassigned"):
        wanted = _SERIAL_ADDRESSES.get(device.target.type or "")
    if isinstance(device, Disk) and kind == "unassigned":
        wanted = "pci" if device.target.bus == "virtio" else None
    if wanted is not None and kind != wanted:
        raise ConfigUnsupported(
            f"{describe(dom, device)} has an address of type '{kind}', and needs '{wanted}'",
            domain=ErrorDomain.QEMU,
        )
