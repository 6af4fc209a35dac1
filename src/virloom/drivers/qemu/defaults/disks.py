# SPDX-License-Identifier: Apache-2.0
"""Defaults of disks: order, bus, driver and where on its controller each one sits."""

from __future__ import annotations

from virloom.drivers.qemu.defaults.disk_sources import fill_source
from virloom.drivers.qemu.devices.targets import BUS_OF_PREFIX, disk_index
from virloom.enums.error import ErrorDomain
from virloom.errors import XmlError
from virloom.model.domain import Address, Disk, Domain, Geometry


def sort_disks(dom: Domain) -> None:
    """The order in which libvirt keeps disks: by bus as the document has it, within it by name."""
    given = dom.devices.disks[:]
    disks = dom.devices.disks
    disks.clear()
    for disk in given:
        place, beside = len(disks), False
        for number in range(len(disks) - 1, -1, -1):
            if disks[number].target.bus != disk.target.bus:
                continue
            if disk_index(disks[number].target.dev) > disk_index(disk.target.dev):
                place, beside = number, True
            elif not beside:
                place, beside = number + 1, True
        disks.insert(place, disk)
    for disk in disks:
        _fill_bus(disk)


def _fill_bus(disk: Disk) -> None:
    disk.device = disk.device or "disk"
    if disk.target.bus is not None:
        return
    name = disk.target.dev or ""
    if disk.device == "floppy":
        disk.target.bus = "fdc"
        return
    for prefix, bus in BUS_OF_PREFIX.items():
        if name.startswith(prefix):
            disk.target.bus = bus
            return
    raise XmlError(
        f"disk '{name}' names no bus, and its target does not tell one",
        domain=ErrorDomain.DOMAIN,
        remedy="names start with vd (virtio), sd (SCSI, SATA, USB), hd (IDE) or fd (floppy)",
    )


def fill_disks(dom: Domain) -> None:
    """Completes each disk.

    Raises:
        XmlError: The name of a disk does not tell its place, or its bus has none.
    """
    for disk in dom.devices.disks:
        disk.type = disk.type or "file"
        if disk.device in ("cdrom", "floppy") and disk.type == "block" and not disk.source.dev:
            # An empty drive has no kind of its own.
            disk.type = "file"
        driver = disk.driver
        driver.name = driver.name or "qemu"
        if disk.type != "volume":
            driver.type = driver.type or "raw"
        if disk.device == "cdrom":
            disk.readonly = True
        if disk.type == "vhostuser":
            disk.snapshot = "no"
        # A copy in the making belongs to a running guest.
        disk.mirror = None
        fill_geometry(disk)
        fill_iotune(disk)
        fill_source(disk)
        place_disk(disk)


def fill_geometry(disk: Disk) -> None:
    shape = disk.geometry
    if not (shape.cyls and shape.heads and shape.secs):
        disk.geometry = Geometry()


def fill_iotune(disk: Disk) -> None:
    """A limit of 0 is none, and without any there is no throttling."""
    values = disk.iotune.__dict__
    for name in [name for name, value in values.items() if value == 0]:
        del values[name]


def place_disk(disk: Disk) -> None:
    bus = disk.target.bus
    address = disk.address
    if address is not None and address.type == "drive":
        address.controller = address.controller or 0
        address.bus = address.bus or 0
        address.target = address.target or 0
        address.unit = address.unit or 0
    if bus not in ("ide", "sata", "scsi", "fdc"):
        return
    if address is not None and address.type not in (None, "none", "unassigned"):
        return
    index = disk_index(disk.target.dev)
    if index < 0:
        raise XmlError(
            f"disk target '{disk.target.dev}' is not a name that tells a place on bus '{bus}'",
            domain=ErrorDomain.DOMAIN,
        )
    disk.address = _place(bus, index)


def _place(bus: str, index: int) -> Address:
    """The place of a disk by its number: controllers hold 4, 6, 2 and 7 disks."""
    if bus == "ide":
        controller, rest = divmod(index, 4)
        return _drive(controller, rest // 2, rest % 2)
    if bus == "sata":
        controller, unit = divmod(index, 6)
        return _drive(controller, 0, unit)
    if bus == "fdc":
        controller, unit = divmod(index, 2)
        return _drive(controller, 0, unit)
    # As on a narrow SCSI bus, where number 7 is the controller's own.
    controller, unit = divmod(index, 7)
    return _drive(controller, 0, unit)


def _drive(controller: int, bus: int, unit: int) -> Address:
    return Address(type="drive", controller=controller, bus=bus, target=0, unit=unit)
