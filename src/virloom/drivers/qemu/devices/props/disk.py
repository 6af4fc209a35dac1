# SPDX-License-Identifier: Apache-2.0
"""The device that a guest sees for a disk."""

from __future__ import annotations

from virloom.drivers.qemu.devices.alias import NARROW_SCSI
from virloom.drivers.qemu.devices.props.address import (
    Buses,
    Props,
    alias_of,
    virtio_driver,
    virtio_options,
)
from virloom.errors import InternalError
from virloom.model.domain import Address, Disk, Domain

#: Whether the guest sees a write cache, by cache mode (QEMU's ``-drive cache=`` table).
_WRITE_CACHE = {
    "none": "on",
    "writeback": "on",
    "writethrough": "off",
    "directsync": "off",
    "unsafe": "on",
}


_SCSI_DRIVERS = {"cdrom": "scsi-cd", "lun": "scsi-block"}


def disk_device(
    disk: Disk, dom: Domain, buses: Buses, *, node: str | None, boot: int | None
) -> Props:
    """Properties of the device for *disk*, which reads and writes the block node *node*.

    Raises:
        InternalError: A bus that QEMU does not have (libvirt's code for it).
    """
    alias = alias_of(disk, f"disk '{disk.target.dev}'")
    bus = disk.target.bus
    props = _on_bus(disk, bus, alias, dom, buses)
    if disk.shareable:
        props["share-rw"] = True
    if node is not None:
        props["drive"] = node
    props["id"] = alias
    if boot is not None and bus != "fdc":
        props["bootindex"] = boot
    if bus == "usb":
        props["removable"] = bool(disk.target.removable)
    elif bus == "scsi" and disk.target.removable is not None:
        props["removable"] = disk.target.removable
    if bus != "fdc":
        _contents(disk, props)
    return props


def cache_mode(disk: Disk) -> str | None:
    """The cache mode of a disk; one that guests share has none unless its document says so."""
    if disk.shareable and disk.driver.cache in (None, "default"):
        return "none"
    return disk.driver.cache


def vhost_user_disk(disk: Disk, buses: Buses, *, boot: int | None) -> Props:
    """Properties of a disk that another process serves."""
    alias = alias_of(disk, f"disk '{disk.target.dev}'")
    props: Props = {"driver": virtio_driver("vhost-user-blk", disk.model, disk.address)}
    props.update(virtio_options(disk.driver))
    if disk.driver.queues is not None:
        props["num-queues"] = disk.driver.queues
    if disk.driver.queue_size is not None:
        props["queue-size"] = disk.driver.queue_size
    props.update(buses.place(disk, alias))
    props["chardev"] = f"chr-vu-{alias}"
    props["id"] = alias
    if boot is not None:
        props["bootindex"] = boot
    return props


def _on_bus(disk: Disk, bus: str | None, alias: str, dom: Domain, buses: Buses) -> Props:
    if bus == "virtio":
        return _virtio(disk, alias, buses)
    if bus == "scsi":
        return _scsi(disk, alias, buses)
    if bus in ("ide", "sata"):
        return _ata(disk, bus, alias, buses)
    if bus == "usb":
        return {"driver": "usb-storage", **buses.place(disk, alias)}
    if bus == "fdc":
        unit = disk.address.unit if disk.address is not None else 0
        return {"driver": "floppy", "unit": unit or 0}
    raise InternalError(f"disk '{alias}' is on bus '{bus}', which QEMU does not have")


def _virtio(disk: Disk, alias: str, buses: Buses) -> Props:
    props: Props = {"driver": virtio_driver("virtio-blk", disk.model, disk.address)}
    driver = disk.driver
    props.update(virtio_options(driver))
    if disk.device == "lun":
        props["scsi"] = True
    if driver.iothread:
        props["iothread"] = f"iothread{driver.iothread}"
    pairs = (
        ("ioeventfd", driver.ioeventfd),
        ("event_idx", driver.event_idx),
        ("num-queues", driver.queues),
        ("queue-size", driver.queue_size),
    )
    props.update({key: value for key, value in pairs if value is not None})
    props.update(buses.place(disk, alias))
    return props


def _scsi(disk: Disk, alias: str, buses: Buses) -> Props:
    props: Props = {
        "driver": _SCSI_DRIVERS.get(disk.device or "disk", "scsi-hd"),
        **scsi_place(disk.address, buses, alias),
    }
    if disk.device == "lun":
        return props
    # Without it QEMU would take the node's name, which guests see in VPD page 0x83.
    return {**props, "device_id": disk.serial or f"drive-{alias}"}


def scsi_place(address: Address | None, buses: Buses, alias: str) -> Props:
    """Where on its SCSI bus the device *alias* sits."""
    index = (address.controller if address else 0) or 0
    controller = buses.controller("scsi", index, alias)
    unit = (address.unit if address else 0) or 0
    target = (address.target if address else 0) or 0
    props: Props = {"bus": f"{alias_of(controller, f'scsi controller {index}')}.0"}
    if controller.model in NARROW_SCSI:
        # One LUN per target: what addresses call the unit is the SCSI id there.
        return {**props, "scsi-id": unit}
    channel = (address.bus if address else 0) or 0
    return {**props, "channel": channel, "scsi-id": target, "lun": unit}


def _ata(disk: Disk, bus: str, alias: str, buses: Buses) -> Props:
    address = disk.address
    index = (address.controller if address else 0) or 0
    channel = (address.bus if address else 0) or 0
    unit = (address.unit if address else 0) or 0
    parent = buses.alias(bus, index, alias)
    props: Props = {"driver": "ide-cd" if disk.device == "cdrom" else "ide-hd"}
    if bus == "ide":
        return {**props, "bus": f"{parent}.{channel}", "unit": unit}
    return {**props, "bus": f"{parent}.{unit}"}


def _contents(disk: Disk, props: Props) -> None:
    """What the disk says of itself to the guest, and what happens on errors."""
    geometry = disk.geometry
    if geometry.cyls:
        props.update({"cyls": geometry.cyls, "heads": geometry.heads, "secs": geometry.secs})
        if geometry.trans not in (None, "default"):
            props["bios-chs-trans"] = geometry.trans
    pairs = (
        ("logical_block_size", disk.blockio.logical_block_size),
        ("physical_block_size", disk.blockio.physical_block_size),
    )
    props.update({key: value for key, value in pairs if value})
    if disk.wwn:
        props["wwn"] = int(disk.wwn, 16)
    if disk.target.rotation_rate:
        props["rotation_rate"] = disk.target.rotation_rate
    if disk.vendor:
        props["vendor"] = disk.vendor
    if disk.product:
        props["product"] = disk.product
    driver = disk.driver
    cache = cache_mode(disk)
    if cache in _WRITE_CACHE:
        props["write-cache"] = _WRITE_CACHE[cache]
    if disk.serial:
        # libvirt writes a blank with a backslash, which QEMU keeps: guests have seen that name.
        props["serial"] = disk.serial.replace(" ", "\\ ")
    props.update(_error_policies(driver.error_policy, driver.rerror_policy))


def _error_policies(write: str | None, read: str | None) -> Props:
    """QEMU's names: its ``enospc`` is for writes only; otherwise reads follow writes."""
    if write == "enospace":
        write = "enospc"
    elif read is None:
        read = write
    pairs = (("werror", write), ("rerror", read))
    return {key: value for key, value in pairs if value and value != "default"}
