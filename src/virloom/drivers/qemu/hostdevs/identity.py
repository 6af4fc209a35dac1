# SPDX-License-Identifier: Apache-2.0
"""Which device of the host a document means."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.drivers.qemu.devices.passed import passed_on
from virloom.drivers.qemu.devices.props.hostdev import pci_text
from virloom.drivers.qemu.hostdevs.claims import HostDevice
from virloom.model.domain import Domain, Hostdev


def host_device(hostdev: Hostdev) -> HostDevice | None:
    """The device that a document means; None where it is not one of this host's own."""
    source, address = hostdev.source, hostdev.source.address
    if address is None:
        return None
    match hostdev.type:
        case "pci":
            return HostDevice("PCI", pci_text(address))
        case "mdev":
            return HostDevice("mediated", (address.uuid or "").lower())
        case "usb" if address.bus and address.device:
            return HostDevice("USB", f"{address.bus:03}:{address.device:03}")
        case "scsi" if source.adapter is not None and source.protocol != "iscsi":
            host = (source.adapter.name or "").removeprefix("scsi_host")
            place = f"{host}:{address.bus or 0}:{address.target or 0}:{address.unit or 0}"
            return HostDevice("SCSI", place, hostdev.shareable)
    return None


def devices_of(dom: Domain) -> Iterator[HostDevice]:
    """The devices of the host that a guest has."""
    for hostdev in passed_on(dom):
        found = host_device(hostdev)
        if found is not None and not hostdev.source.missing:
            yield found


def is_same(asked: Hostdev, device: Hostdev) -> bool:
    """Whether a guest's device is the one that a document means, by what it says of it.

    As libvirt 9 has it: a USB device is told by its place where that is said, else by its maker
    and product; all others by all of their address.
    """
    if (asked.mode or "subsystem", asked.type) != (device.mode or "subsystem", device.type):
        return False
    if asked.type == "usb" and not _place(asked):
        return _maker(asked) == _maker(device)
    if asked.mode == "capabilities":
        names = (asked.source.block, asked.source.char, asked.source.interface)
        return names == (device.source.block, device.source.char, device.source.interface)
    if asked.type == "scsi" and asked.source.protocol == "iscsi":
        return _unit(asked) == _unit(device)
    if asked.type == "scsi_host":
        return asked.source.wwpn == device.source.wwpn
    return _place(asked) == _place(device)


def _place(hostdev: Hostdev) -> tuple[str | int, ...]:
    """Where the host has it; empty where a USB device's place is not said."""
    address = hostdev.source.address
    if address is None:
        return ()
    match hostdev.type:
        case "usb":
            usb = (address.bus or 0, address.device or 0)
            return usb if all(usb) else ()
        case "scsi":
            adapter = hostdev.source.adapter
            name = (adapter.name if adapter is not None else None) or ""
            return name, address.bus or 0, address.target or 0, address.unit or 0
        case "mdev":
            return ((address.uuid or "").lower(),)
    return (pci_text(address),)


def _maker(hostdev: Hostdev) -> tuple[int | None, int | None]:
    vendor, product = hostdev.source.vendor, hostdev.source.product
    return vendor.id if vendor is not None else None, product.id if product is not None else None


def _unit(hostdev: Hostdev) -> tuple[str | int | None, ...]:
    source = hostdev.source
    host = source.hosts[0] if source.hosts else None
    place = (host.name, host.port) if host is not None else ()
    return source.protocol, source.name, *place
