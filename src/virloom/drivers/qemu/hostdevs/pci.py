# SPDX-License-Identifier: Apache-2.0
"""PCI devices that VFIO passes on: may this one be, and the host's driver lets go of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from virloom.drivers.qemu.hostdevs.claims import Claims, HostDevice
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    OperationInvalid,
    system_failure,
)
from virloom.host import pci
from virloom.host.process import run
from virloom.model.domain.devices.hostdev import HostdevDriver

#: Drivers that may have other devices of a group that is passed on: none of them uses memory of
#: its own accord (drivers/vfio/vfio_main.c of the kernel: allowed drivers, and driver_managed_dma).
_HARMLESS = (None, pci.VFIO, "pci-stub", "pcieport")

HOST = Path("/")


def has_vfio(root: Path = HOST) -> bool:
    """Whether the host can pass devices on: it has an IOMMU, and VFIO."""
    groups = root / "sys/kernel/iommu_groups"
    return (root / "dev/vfio/vfio").exists() and groups.exists() and bool(os.listdir(groups))


def check_vfio(root: Path = HOST) -> None:
    """Refuses where the host cannot pass devices on.

    Raises:
        ConfigUnsupported: It cannot.
    """
    if not has_vfio(root):
        raise ConfigUnsupported(
            "the host cannot pass devices on: it has no IOMMU, or no VFIO",
            domain=ErrorDomain.QEMU,
            remedy="intel_iommu=on or amd_iommu=on for the kernel, and modprobe vfio-pci",
        )


def check_driver(driver: HostdevDriver) -> None:
    """Refuses what the document wants instead of VFIO, and notes that it is VFIO.

    Raises:
        ConfigUnsupported: The kernel has it no more.
        InternalError: It is another hypervisor's.
    """
    if driver.name == "kvm":
        raise ConfigUnsupported(
            "KVM itself passes no devices on any more; the driver 'vfio' does",
            domain=ErrorDomain.QEMU,
        )
    if driver.name == "xen":
        raise InternalError("pciback passes devices on to guests of Xen", domain=ErrorDomain.QEMU)
    driver.name = "vfio"


def path_of(name: str, root: Path = HOST) -> str:
    """Where the directory of a device is, if there is one."""
    return str(root / pci.DEVICES.lstrip("/") / name)


def find(name: str, root: Path = HOST) -> str:
    """The directory of a device.

    Raises:
        SystemFailure: There is none of that name.
    """
    device = path_of(name, root)
    try:
        os.stat(device)
    except OSError as exc:
        raise system_failure(
            f"the host has no PCI device {name}", exc, domain=ErrorDomain.NONE
        ) from exc
    return device


def check_free(claims: Claims, device: str, guest: str) -> None:
    """Refuses a device that another guest has, or one of its IOMMU group.

    Raises:
        OperationInvalid: Says who has which.
    """
    for member in {device, *pci.group_of(device)}:
        claims.check(HostDevice("PCI", os.path.basename(member)), guest)


def check_assignable(device: str, *, managed: bool) -> None:
    """Refuses what no guest can have, or what nobody has taken from the host.

    Raises:
        InternalError: It is a bridge.
        OperationInvalid: The host's driver has it, and we are not to take it.
    """
    name = os.path.basename(device)
    if pci.is_bridge(device):
        raise InternalError(
            f"PCI device {name} is a bridge, which no guest can have", domain=ErrorDomain.NONE
        )
    driver = pci.driver_of(device)
    if not managed and driver != pci.VFIO:
        raise OperationInvalid(
            f"PCI device {name} is not managed, and the host has it by driver '{driver}'",
            domain=ErrorDomain.NONE,
            remedy=f"nodedev-detach pci_{name.replace(':', '_').replace('.', '_')}, "
            "or managed='yes'",
        )


def check_group(devices: Sequence[str]) -> None:
    """Refuses devices that share an IOMMU group with one that the host uses.

    Args:
        devices: All that the guest gets; VFIO has them.

    Raises:
        InternalError: Says which, as QEMU would without saying that.
    """
    for device in devices:
        for member in pci.group_of(device):
            driver = pci.driver_of(member)
            variant = driver is not None and driver.endswith(("vfio-pci", "vfio_pci"))  # a maker's
            if member not in devices and driver not in _HARMLESS and not variant:
                raise InternalError(
                    f"PCI device {os.path.basename(device)} is in one IOMMU group with "
                    f"{os.path.basename(member)}, which the host's driver '{driver}' has",
                    domain=ErrorDomain.QEMU,
                    remedy="detach that from the host as well",
                )


async def load_driver() -> None:
    """Has the kernel load VFIO's driver, unless it has it.

    Raises:
        InternalError: It has none.
    """
    if pci.is_loaded():
        return
    done = await run(["modprobe", pci.VFIO])
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()
        raise InternalError(f"cannot load the driver {pci.VFIO}: {words}", domain=ErrorDomain.NONE)
