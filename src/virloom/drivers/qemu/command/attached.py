# SPDX-License-Identifier: Apache-2.0
"""Smartcards, TPMs, shared memory, vsock, redirected USB devices and IOMMUs."""

from __future__ import annotations

import errno
import os

from virloom.drivers.qemu.command.arguments import keyval
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.chardev import add_chardev, chardev_files
from virloom.drivers.qemu.command.context import FileRequest
from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.drivers.qemu.devices.props.attached import (
    TPM_CHARDEV,
    iommu_device,
    redirdev_device,
    shmem_device,
    shmem_object,
    smartcard_device,
    tpm_device,
    vsock_device,
)
from virloom.drivers.qemu.devices.props.chardev import chardev_id
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, system_failure
from virloom.model.domain import Chardev, ChardevSource, Domain, Shmem, Tpm

_VSOCK_KEY = "vsock"
#: Through which the host reaches the sockets of its guests.
VSOCK_DEVICE = "/dev/vhost-vsock"
_TPM_KEY = "tpm"
_CANCEL_KEY = "tpm.cancel"


def attached_files(dom: Domain) -> list[FileRequest]:
    """What these devices need open."""
    requests: list[FileRequest] = []
    for card in dom.devices.smartcards:
        if card.mode == "passthrough":
            requests += chardev_files(card, alias_of(card, "smartcard"))
    for redirdev in dom.devices.redirdevs:
        requests += chardev_files(redirdev, alias_of(redirdev, "redirected device"))
    for tpm in dom.devices.tpms:
        if tpm.backend.type == "passthrough":
            path = tpm_path(tpm)
            requests.append(FileRequest(_TPM_KEY, path, "rw"))
            name = path.rpartition("/")[2]
            cancel = f"/sys/class/tpm/{name}/device/cancel"
            requests.append(FileRequest(_CANCEL_KEY, cancel, "w"))
    if dom.devices.vsocks:
        requests.append(FileRequest(_VSOCK_KEY, VSOCK_DEVICE, "rw"))
    return requests


def tpm_path(tpm: Tpm) -> str:
    """The host's device that a TPM passes on."""
    device = tpm.backend.device
    return (device.path if device is not None else None) or "/dev/tpm0"


def add_iommus(assembly: Assembly) -> None:
    """The IOMMU, before what it translates for."""
    for iommu in assembly.dom.devices.iommus:
        props = iommu_device(iommu, assembly.buses)
        if props is not None:
            assembly.args.device(props)


def add_smartcards(assembly: Assembly) -> None:
    """The cards in the readers."""
    for card in assembly.dom.devices.smartcards:
        if card.mode == "passthrough":
            alias = alias_of(card, "smartcard")
            add_chardev(assembly.args, assembly.context, card, alias, chardev_id(alias))
        assembly.args.device(smartcard_device(card, assembly.buses))


def add_tpms(assembly: Assembly) -> None:
    """The TPM and what stands behind it.

    Raises:
        InternalError: Nobody started its emulator.
    """
    for tpm in assembly.dom.devices.tpms:
        backend = f"tpm-{alias_of(tpm, 'TPM')}"
        if tpm.backend.type == "passthrough":
            _require_device(assembly, tpm)
            pairs = [("id", backend), ("path", assembly.args.fdset(_TPM_KEY))]
            pairs.append(("cancel-path", assembly.args.fdset(_CANCEL_KEY)))
            assembly.args.option("tpmdev", f"passthrough,{keyval(pairs)}")
        else:
            _add_tpm_connection(assembly, tpm)
            pairs = [("id", backend), ("chardev", TPM_CHARDEV)]
            assembly.args.option("tpmdev", f"emulator,{keyval(pairs)}")
        assembly.args.device(tpm_device(tpm, assembly.dom.os.type.arch))


def _require_device(assembly: Assembly, tpm: Tpm) -> None:
    """As libvirt, which looks at the device even for a command line that only is shown."""
    path = tpm_path(tpm)
    if assembly.context.standalone and not os.path.exists(path):
        missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        raise system_failure(f"cannot open TPM device {path}", missing, domain=ErrorDomain.QEMU)


def _add_tpm_connection(assembly: Assembly, tpm: Tpm) -> None:
    context, source = assembly.context, tpm.backend.source
    if tpm.backend.type == "external":
        path = source.path if source is not None else None
        value = f"socket,{keyval([('id', TPM_CHARDEV), ('path', path)])}"
    elif context.standalone:
        # There is no emulator to connect to, and libvirt says so in its own way.
        value = f"null,id={TPM_CHARDEV}"
    elif context.tpm_socket is None:
        raise InternalError("the emulator of the TPM was not started", domain=ErrorDomain.QEMU)
    else:
        value = f"socket,id={TPM_CHARDEV},fd={context.tpm_socket}"
    assembly.args.option("chardev", value)


def add_shmems(assembly: Assembly) -> None:
    """Memory that the guest shares with others.

    Raises:
        ConfigUnsupported: A model that this QEMU does not have.
    """
    for shmem in assembly.dom.devices.shmems:
        if shmem.model.type == "ivshmem-plain":
            assembly.args.object(shmem_object(shmem))
            assembly.args.device(shmem_device(shmem, assembly.buses))
        elif shmem.model.type == "ivshmem-doorbell":
            assembly.args.device(shmem_device(shmem, assembly.buses))
            alias = alias_of(shmem, "shared memory device")
            server = _server(shmem)
            add_chardev(assembly.args, assembly.context, server, alias, chardev_id(alias))
        else:
            raise ConfigUnsupported(f"this QEMU has no shared memory model '{shmem.model.type}'")


def _server(shmem: Shmem) -> Chardev:
    path = shmem.server.path if shmem.server is not None else None
    path = path or f"/var/lib/libvirt/shmem-{shmem.name}-sock"
    return Chardev(type="unix", sources=[ChardevSource(mode="connect", path=path)])


def add_redirdevs(assembly: Assembly) -> None:
    """Ports for USB devices of whoever is connected."""
    devices = assembly.dom.devices
    for redirdev in devices.redirdevs:
        alias = alias_of(redirdev, "redirected device")
        add_chardev(assembly.args, assembly.context, redirdev, alias, chardev_id(alias))
        props = redirdev_device(
            redirdev, devices.redirfilters, assembly.buses, boot=assembly.boot.get(alias)
        )
        assembly.args.device(props)


def add_vsocks(assembly: Assembly) -> None:
    """The guest's sockets to the host."""
    for vsock in assembly.dom.devices.vsocks:
        opened = assembly.args.descriptor(_VSOCK_KEY)
        descriptor = "-1" if assembly.context.standalone else str(opened)
        assembly.args.device(vsock_device(vsock, assembly.buses, descriptor))
