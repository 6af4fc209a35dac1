# SPDX-License-Identifier: Apache-2.0
"""Devices of the host, as the guest gets them."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import Buses, Props, alias_of, virtio_driver
from virloom.drivers.qemu.devices.props.disk import scsi_place
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.domain import Hostdev, SourceAddress

_DEFAULT_ISCSI_PORT = 0


def pci_text(address: SourceAddress | None) -> str:
    """``0000:06:02.0``, as the host calls it."""
    if address is None:
        raise InternalError("a PCI host device has no address", domain=ErrorDomain.QEMU)
    parts = (address.domain or 0, address.bus or 0, address.slot or 0)
    return "{:04x}:{:02x}:{:02x}".format(*parts) + f".{address.function or 0:x}"


def pci_hostdev(hostdev: Hostdev, buses: Buses, *, boot: int | None) -> Props:
    """Properties of an assigned PCI device.

    Raises:
        InternalError: Nothing but VFIO passes a device on.
    """
    alias = alias_of(hostdev, "host device")
    if hostdev.driver.name != "vfio":
        raise InternalError(
            f"PCI device '{pci_text(hostdev.source.address)}' is not passed on by vfio, but by "
            f"'{hostdev.driver.name or 'default'}'",
            domain=ErrorDomain.QEMU,
        )
    props: Props = {"driver": "vfio-pci", "host": pci_text(hostdev.source.address), "id": alias}
    if boot is not None:
        props["bootindex"] = boot
    if hostdev.teaming is not None and hostdev.teaming.persistent:
        props["failover_pair_id"] = hostdev.teaming.persistent
    props.update(buses.place(hostdev, alias))
    rom = hostdev.rom
    if rom.enabled is False:
        props.update({"rombar": 0, "romfile": ""})
        return props
    if rom.bar is not None:
        props["rombar"] = int(rom.bar)
    if rom.file:
        props["romfile"] = rom.file
    return props


def mdev_hostdev(hostdev: Hostdev, buses: Buses, *, boot: int | None) -> Props:
    """Properties of a mediated device."""
    alias = alias_of(hostdev, "host device")
    address = hostdev.source.address
    uuid = (address.uuid if address is not None else None) or ""
    # What QEMU draws on it before the guest has a driver cannot be unplugged.
    driver = f"{hostdev.model}-nohotplug" if hostdev.ramfb else hostdev.model
    props: Props = {"driver": driver, "id": alias, "sysfsdev": f"/sys/bus/mdev/devices/{uuid}"}
    if hostdev.display is not None:
        props["display"] = "on" if hostdev.display else "off"
    if hostdev.ramfb is not None:
        props["ramfb"] = hostdev.ramfb
    if boot is not None:
        props["bootindex"] = boot
    return {**props, **buses.place(hostdev, alias)}


def usb_hostdev(hostdev: Hostdev, buses: Buses, *, boot: int | None) -> Props:
    """Properties of an assigned USB device, whose place on the host is known.

    Raises:
        InternalError: It is not.
    """
    alias = alias_of(hostdev, "host device")
    address = hostdev.source.address
    if address is None or not address.bus or not address.device:
        raise InternalError(
            f"USB host device '{alias}' has no bus and device number", domain=ErrorDomain.QEMU
        )
    path = f"/dev/bus/usb/{address.bus:03d}/{address.device:03d}"
    props: Props = {"driver": "usb-host", "hostdevice": path, "id": alias}
    if hostdev.source.guest_reset is not None:
        resets = {"off": (False, False), "uninitialized": (True, False), "on": (True, True)}
        guest, every = resets[hostdev.source.guest_reset]
        props.update({"guest-reset": guest, "guest-resets-all": every})
    if boot is not None:
        props["bootindex"] = boot
    return {**props, **buses.place(hostdev, alias)}


def iscsi_backend(hostdev: Hostdev, node: str) -> Props:
    """The block node of a logical unit of an iSCSI target."""
    source = hostdev.source
    target, _, unit = (source.name or "").partition("/")
    host = source.hosts[0] if source.hosts else None
    port = (host.port if host is not None else None) or _DEFAULT_ISCSI_PORT
    props: Props = {
        "driver": "iscsi",
        "portal": f"{host.name if host is not None else ''}:{port}",
        "target": target,
        "lun": int(unit) if unit.isdigit() else 0,
        "transport": "tcp",
    }
    if source.initiator.iqn.name:
        props["initiator-name"] = source.initiator.iqn.name
    return {**props, "node-name": node, "read-only": hostdev.readonly}


def scsi_hostdev(hostdev: Hostdev, buses: Buses, node: str, *, boot: int | None) -> Props:
    """Properties of a SCSI device whose commands go to the host's."""
    alias = alias_of(hostdev, "host device")
    props: Props = {"driver": "scsi-generic", "drive": node, "id": alias}
    if boot is not None:
        props["bootindex"] = boot
    return {**props, **scsi_place(hostdev.address, buses, alias)}


def vhost_scsi(hostdev: Hostdev, buses: Buses, descriptor: str) -> Props:
    """Properties of a SCSI host of the kernel's own target."""
    alias = alias_of(hostdev, "host device")
    return {
        "driver": virtio_driver("vhost-scsi", hostdev.model, hostdev.address),
        "wwpn": hostdev.source.wwpn,
        "vhostfd": descriptor,
        "id": alias,
        **buses.place(hostdev, alias),
    }
