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
