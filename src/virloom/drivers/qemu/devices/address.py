# SPDX-License-Identifier: Apache-2.0
"""Addresses of all devices of a guest; those that the document gives are kept.

A device has to stay where it is over all runs of a guest, so addresses are given out when a
document is defined and are part of it from then on.
"""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.devices.address_flags import root_model
from virloom.drivers.qemu.devices.address_memory import assign_slots
from virloom.drivers.qemu.devices.address_pci_devices import assign_pci
from virloom.drivers.qemu.devices.address_ports import (
    assign_mmio,
    assign_usb,
    assign_virtio_serial,
)
from virloom.drivers.qemu.devices.address_transport import assign_ccw, assign_vio
from virloom.drivers.qemu.devices.boards import is_arm, is_ccw, is_pseries
from virloom.drivers.qemu.devices.describe import all_devices
from virloom.model.domain import Domain


def is_microvm(machine: str | None) -> bool:
    """Whether the machine has virtio-mmio and no PCI."""
    return machine is not None and (machine == "microvm" or machine.startswith("microvm-"))


def assign_addresses(dom: Domain, caps: BinaryCaps) -> None:
    """Gives every device without an address the one that libvirt 9 would, in place.

    Raises:
        XmlError: An address is used twice, does not exist or does not take the device, or none
            is free.
    """
    complete_given(dom)
    assign_virtio_serial(dom)
    if is_pseries(dom):
        assign_vio(dom)
    if is_ccw(dom):
        assign_ccw(dom)
    elif is_arm(dom) and root_model(dom) is None:
        assign_mmio(dom)
    if is_microvm(caps.machine(dom.os.type.machine or "").name):
        assign_mmio(dom)
    assign_pci(dom)
    assign_usb(dom)
    assign_slots(dom)


# What a given address may leave out, by its type; it is 0 then.
_OPTIONAL = {
    "pci": ("domain", "bus", "slot", "function"),
    "drive": ("controller", "bus", "target", "unit"),
    "virtio-serial": ("controller", "bus", "port"),
    "usb": ("bus",),
    "ccid": ("controller", "slot"),
}


def complete_given(dom: Domain) -> None:
    """Fills in what the addresses of a document leave out."""
    for device in all_devices(dom):
        address = device.address
        if address is None:
            continue
        for name in _OPTIONAL.get(address.type or "", ()):
            if getattr(address, name) is None:
                setattr(address, name, 0)
