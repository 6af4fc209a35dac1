# SPDX-License-Identifier: Apache-2.0
"""Smaller devices: smartcards, TPMs, shared memory, vsock, redirection, IOMMUs."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import (
    Buses,
    Props,
    alias_of,
    virtio_driver,
    virtio_options,
)
from virloom.drivers.qemu.devices.props.chardev import chardev_id
from virloom.model.domain import Iommu, Redirdev, Redirfilter, Shmem, Smartcard, Tpm, Vsock

#: QEMU's id of the character device behind the TPM; there is one TPM at most.
TPM_CHARDEV = "chrtpm"


def smartcard_device(card: Smartcard, buses: Buses) -> Props:
    """Properties of the card in the reader."""
    alias = alias_of(card, "smartcard")
    props: Props = {"driver": "ccid-card-emulated", "backend": "nss-emulated"}
    if card.mode == "host-certificates":
        props["backend"] = "certificates"
        props.update({f"cert{n}": name for n, name in enumerate(card.certificates[:3], 1)})
        props["db"] = card.database or "/etc/pki/nssdb"
    elif card.mode == "passthrough":
        props = {"driver": "ccid-card-passthru", "chardev": chardev_id(alias)}
    index = (card.address.controller if card.address is not None else 0) or 0
    return {**props, "id": alias, "bus": f"{buses.alias('ccid', index, alias)}.0"}


def tpm_device(tpm: Tpm, arch: str | None) -> Props:
    """Properties of the module's interface; boards of ARM have it on their platform bus."""
    alias = alias_of(tpm, "TPM")
    on_platform = tpm.model == "tpm-tis" and arch in ("aarch64", "armv7l")
    driver = "tpm-tis-device" if on_platform else tpm.model
    return {"driver": driver, "tpmdev": f"tpm-{alias}", "id": alias}


def shmem_device(shmem: Shmem, buses: Buses) -> Props:
    """Properties of the card that shows shared memory."""
    alias = alias_of(shmem, "shared memory device")
    props: Props = {"driver": shmem.model.type, "id": alias}
    if shmem.model.type == "ivshmem-plain":
        props["memdev"] = f"shmmem-{alias}"
        if shmem.role is not None:
            props["master"] = "on" if shmem.role == "master" else "off"
    else:
        props["chardev"] = chardev_id(alias)
        if shmem.msi is not None and shmem.msi.vectors:
            props["vectors"] = shmem.msi.vectors
        if shmem.msi is not None and shmem.msi.ioeventfd is not None:
            props["ioeventfd"] = shmem.msi.ioeventfd
    return {**props, **buses.place(shmem, alias)}


def shmem_object(shmem: Shmem) -> Props:
    """The memory that the host's other guests see as well."""
    alias = alias_of(shmem, "shared memory device")
    return {
        "qom-type": "memory-backend-file",
        "id": f"shmmem-{alias}",
        "mem-path": f"/dev/shm/{shmem.name}",
        "size": shmem.size,
        "share": True,
    }


def vsock_device(vsock: Vsock, buses: Buses, descriptor: str) -> Props:
    """Properties of the socket device."""
    alias = alias_of(vsock, "vsock device")
    return {
        "driver": virtio_driver("vhost-vsock", vsock.model, vsock.address),
        **virtio_options(vsock.driver),
        "id": alias,
        "guest-cid": vsock.cid.address or 0,
        "vhostfd": descriptor,
        **buses.place(vsock, alias),
    }


def redirdev_device(
    redirdev: Redirdev, filters: list[Redirfilter], buses: Buses, *, boot: int | None
) -> Props:
    """Properties of the port through which a USB device comes."""
    alias = alias_of(redirdev, "redirected device")
    props: Props = {"driver": "usb-redir", "chardev": chardev_id(alias), "id": alias}
    rules = [rule for item in filters for rule in item.usbdevs]
    if rules:
        props["filter"] = "|".join(
            ":".join(
                [
                    _hexadecimal(rule.usb_class, 2),
                    _hexadecimal(rule.vendor, 4),
                    _hexadecimal(rule.product, 4),
                    _hexadecimal(rule.version, 4),
                    "1" if rule.allow else "0",
                ]
            )
            for rule in rules
        )
    if boot is not None:
        props["bootindex"] = boot
    return {**props, **buses.place(redirdev, alias)}


def _hexadecimal(value: int | None, width: int) -> str:
    return "-1" if value is None else f"0x{value:0{width}X}"


def iommu_device(iommu: Iommu, buses: Buses) -> Props | None:
    """Properties of the IOMMU; None for the one that the machine has."""
    if iommu.model == "smmuv3":
        return None
    alias, driver = alias_of(iommu, "IOMMU"), iommu.driver
    if iommu.model == "virtio":
        return {"driver": "virtio-iommu", "id": alias, **buses.place(iommu, alias)}
    props: Props = {"driver": "intel-iommu", "id": alias}
    switches = (("intremap", driver.intremap), ("eim", driver.eim))
    props.update({key: "on" if value else "off" for key, value in switches if value is not None})
    pairs = (("caching-mode", driver.caching_mode), ("device-iotlb", driver.iotlb))
    props.update({key: value for key, value in pairs if value is not None})
    if driver.aw_bits:
        props["aw-bits"] = driver.aw_bits
    return props
