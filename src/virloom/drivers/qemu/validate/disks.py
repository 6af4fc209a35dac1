# SPDX-License-Identifier: Apache-2.0
"""Checks of disks."""

from __future__ import annotations

from virloom.drivers.qemu.devices.targets import disk_index
from virloom.drivers.qemu.validate.disk_options import (
    check_given_options,
    check_options,
    check_throttle_groups,
)
from virloom.drivers.qemu.validate.disk_sources import check_given_source, check_source
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, NoSource, NoTarget, XmlError
from virloom.model.domain import Disk, Domain

_DRIVE_BUSES = ("ide", "sata", "scsi", "fdc")
_SERIAL_CHARACTERS = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_+. "
)
_VIRTIO_ADDRESSES = ("pci", "ccw", "virtio-mmio", "none", "unassigned")


def source_of(disk: Disk) -> str | None:
    """What backs the disk, as far as it is a path."""
    source = disk.source
    return source.file or source.dev or source.dir


def check_given_disks(dom: Domain) -> None:
    """Targets and sources as the document has them."""
    targets: dict[str, str] = {}
    for disk in dom.devices.disks:
        name = disk.target.dev
        if not name:
            raise NoTarget(
                f"the disk with source '{source_of(disk)}' has no target",
                domain=ErrorDomain.DOMAIN,
            )
        _given_kind(disk, name)
        check_given_source(disk)
        check_given_options(disk)
        if name in targets:
            raise XmlError(
                f"two disks have the target '{name}': '{targets[name]}' and '{source_of(disk)}'",
                domain=ErrorDomain.DOMAIN,
            )
        targets[name] = source_of(disk) or ""
        placed = disk.address is not None and disk.address.type not in (None, "none")
        if disk_index(name) < 0 and not placed:
            raise XmlError(
                f"disk target '{name}' does not tell a place, and the disk has no address",
                domain=ErrorDomain.DOMAIN,
                remedy="names are vda, sda, hda, fda and so on",
            )


def _given_kind(disk: Disk, name: str) -> None:
    ejectable = disk.device in ("cdrom", "floppy")
    if disk.type in (None, "file", "block", "dir") and not source_of(disk) and not ejectable:
        raise NoSource(f"disk '{name}' has no source", domain=ErrorDomain.DOMAIN)
    floppy = disk.device == "floppy"
    bus = disk.target.bus
    if bus is not None and floppy != (bus == "fdc"):
        raise InternalError(
            f"disk '{name}' is a {disk.device or 'disk'}, which bus '{bus}' does not take",
            domain=ErrorDomain.DOMAIN,
        )


def check_disks(dom: Domain) -> None:
    """Each disk by itself, and that no two have one place."""
    places: dict[tuple[str, int, int, int, int], str] = {}
    for disk in dom.devices.disks:
        _driver(disk)
        _bus(disk)
        _serial(disk)
        check_options(dom, disk)
        for message in check_source(disk):
            raise ConfigUnsupported(f"disk '{disk.target.dev}': {message}", domain=ErrorDomain.QEMU)
        _place(disk, places)
    check_throttle_groups(dom)


def _driver(disk: Disk) -> None:
    driver, name = disk.driver, disk.target.dev
    if driver.name != "qemu":
        raise ConfigUnsupported(
            f"disk '{name}' has driver '{driver.name}'; there is only 'qemu'",
            domain=ErrorDomain.QEMU,
        )
    if driver.io == "native" and driver.cache not in ("none", "directsync"):
        raise ConfigUnsupported(
            f"disk '{name}': io='native' needs cache='none' or 'directsync'",
            domain=ErrorDomain.QEMU,
        )


def _bus(disk: Disk) -> None:
    bus, name = disk.target.bus, disk.target.dev
    if bus == "virtio":
        if disk.device in ("cdrom", "floppy"):
            raise ConfigUnsupported(
                f"disk '{name}': bus 'virtio' has no {disk.device}; sata, scsi, usb or ide have",
                domain=ErrorDomain.QEMU,
            )
        kind = disk.address.type if disk.address is not None else None
        if kind is not None and kind not in _VIRTIO_ADDRESSES:
            raise ConfigUnsupported(
                f"disk '{name}' is a virtio one, which has no address of type '{kind}'",
                domain=ErrorDomain.QEMU,
            )
    if disk.readonly and disk.device == "disk" and bus in ("ide", "sata"):
        raise ConfigUnsupported(
            f"disk '{name}': bus '{bus}' has no read-only disks; virtio, scsi and usb have",
            domain=ErrorDomain.QEMU,
        )
    if disk.wwn and bus not in ("ide", "scsi"):
        raise ConfigUnsupported(
            f"disk '{name}': only ide and scsi disks have a wwn", domain=ErrorDomain.QEMU
        )


def _serial(disk: Disk) -> None:
    if disk.serial and not _SERIAL_CHARACTERS.issuperset(disk.serial):
        raise InternalError(
            f"disk '{disk.target.dev}': serial '{disk.serial}' has characters other than "
            "letters, digits, blank and -_+.",
            domain=ErrorDomain.QEMU,
        )


def _place(disk: Disk, places: dict[tuple[str, int, int, int, int], str]) -> None:
    address, bus, name = disk.address, disk.target.bus or "", disk.target.dev or ""
    if address is None or address.type != "drive" or bus not in _DRIVE_BUSES:
        return
    place = (
        bus,
        address.controller or 0,
        address.bus or 0,
        address.target or 0,
        address.unit or 0,
    )
    if place in places:
        raise ConfigUnsupported(
            f"disks '{places[place]}' and '{name}' have one address on bus '{bus}': "
            f"controller {place[1]}, bus {place[2]}, target {place[3]}, unit {place[4]}",
            domain=ErrorDomain.DOMAIN,
        )
    places[place] = name
