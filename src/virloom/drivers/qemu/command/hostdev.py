# SPDX-License-Identifier: Apache-2.0
"""Devices of the host."""

from __future__ import annotations

import os

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.context import FileRequest
from virloom.drivers.qemu.command.storage_objects import password
from virloom.drivers.qemu.devices.passed import passed_on
from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.drivers.qemu.devices.props.hostdev import (
    iscsi_backend,
    mdev_hostdev,
    pci_hostdev,
    scsi_hostdev,
    usb_hostdev,
    vhost_scsi,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, system_failure
from virloom.model.domain import Domain, Hostdev

_VHOST_SCSI = "/dev/vhost-scsi"


def add_hostdevs(assembly: Assembly) -> None:
    """Every device that the guest is to see, network cards among them.

    Raises:
        ConfigUnsupported: The host lacks what passes such a device on.
        SystemFailure: The host has no such SCSI device.
    """
    for hostdev in passed_on(assembly.dom):
        alias = alias_of(hostdev, "host device")
        address, boot = hostdev.address, assembly.boot.get(alias)
        if hostdev.source.missing:
            continue  # the guest does without, as its document lets it
        if address is not None and address.type == "unassigned":
            # Taken from the host, but not shown to the guest.
            continue
        match hostdev.type:
            case "pci":
                assembly.args.device(pci_hostdev(hostdev, assembly.buses, boot=boot))
            case "mdev":
                assembly.args.device(mdev_hostdev(hostdev, assembly.buses, boot=boot))
            case "usb":
                assembly.args.device(usb_hostdev(hostdev, assembly.buses, boot=boot))
            case "scsi":
                _add_scsi(assembly, hostdev, boot)
            case _:
                _add_scsi_host(assembly, hostdev, alias)


def hostdev_files(dom: Domain) -> list[FileRequest]:
    """What SCSI hosts of the kernel's own target need open, where it is there."""
    wanted = [hostdev for hostdev in dom.devices.hostdevs if hostdev.type == "scsi_host"]
    if not wanted or not os.path.exists(_VHOST_SCSI):
        return []  # who describes them says so
    return [
        FileRequest(_vhost_key(alias_of(one, "host device")), _VHOST_SCSI, "rw") for one in wanted
    ]


def _vhost_key(alias: str) -> str:
    return f"{alias}.vhost-scsi"


def _add_scsi_host(assembly: Assembly, hostdev: Hostdev, alias: str) -> None:
    key = _vhost_key(alias)
    if key not in assembly.context.files:
        raise ConfigUnsupported(
            f"vhost-scsi device file '{_VHOST_SCSI}' cannot be found, which host device '{alias}' "
            "needs",
            domain=ErrorDomain.NONE,
        )
    descriptor = str(assembly.args.descriptor(key))
    assembly.args.device(vhost_scsi(hostdev, assembly.buses, descriptor))


def _add_scsi(assembly: Assembly, hostdev: Hostdev, boot: int | None) -> None:
    """A logical unit of the host's, or of an iSCSI target."""
    if hostdev.source.protocol == "iscsi":
        node = f"libvirt-{assembly.next_node}-backend"
        assembly.next_node += 1
        auth, props = hostdev.source.auth, iscsi_backend(hostdev, node)
        if auth is not None:
            props |= password(assembly, auth, node)
        assembly.args.blockdev(props)
    else:
        alias = alias_of(hostdev, "host device")
        node = f"libvirt-{alias}-backend"
        props = {"driver": "host_device", "filename": generic_node(hostdev), "node-name": node}
        assembly.args.blockdev({**props, "read-only": hostdev.readonly})
    assembly.args.device(scsi_hostdev(hostdev, assembly.buses, node, boot=boot))


def generic_node(hostdev: Hostdev) -> str:
    """The host's node for commands to a SCSI device, such as ``/dev/sg0``.

    Raises:
        InternalError: The document names no adapter.
        SystemFailure: The host has no such device.
    """
    adapter = hostdev.source.adapter
    name = (adapter.name if adapter is not None else None) or ""
    number = name.removeprefix("scsi_host")
    if number == name or not number.isdigit():
        raise InternalError(f"'{name}' is no SCSI adapter", domain=ErrorDomain.NONE)
    address = hostdev.source.address
    bus, target, unit = (
        (address.bus or 0, address.target or 0, address.unit or 0) if address else (0, 0, 0)
    )
    directory = f"/sys/bus/scsi/devices/{number}:{bus}:{target}:{unit}/scsi_generic"
    try:
        return f"/dev/{sorted(os.listdir(directory))[0]}"
    except OSError as error:
        raise system_failure(
            f"cannot open directory '{directory}'", error, domain=ErrorDomain.NONE
        ) from error
