# SPDX-License-Identifier: Apache-2.0
"""Addresses of all devices of a guest; those that the document gives are kept.

A device has to stay where it is over all runs of a guest, so addresses are given out when a
document is defined and are part of it from then on.
"""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.devices.address_pci_devices import assign_pci, pci_devices
from virloom.drivers.qemu.devices.address_ports import (
    assign_mmio,
    assign_usb,
    assign_virtio_serial,
)
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
    assign_virtio_serial(dom)
    if is_microvm(caps.machine(dom.os.type.machine or "").name):
        assign_mmio(dom)
    _complete_given(dom)
    assign_pci(dom)
    assign_usb(dom)


def _complete_given(dom: Domain) -> None:
    """Numbers that a given PCI address leaves out are 0."""
    for device in pci_devices(dom):
        address = device.address
        if address is not None and address.type == "pci":
            address.domain = address.domain or 0
            address.bus = address.bus or 0
            address.slot = address.slot or 0
            address.function = address.function or 0
