# SPDX-License-Identifier: Apache-2.0
"""A guest gets devices of the host, at its start or while it runs, and gives them back.

First everything is looked at; only then the guest's record lists the PCI devices that are to be
taken, and only then the host's drivers lose them. Whoever finds the record gives them back
(:mod:`virloom.host.release`).
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from virloom.drivers.qemu.devices.props.hostdev import pci_text
from virloom.drivers.qemu.hostdevs import pci as devices_of_pci
from virloom.drivers.qemu.hostdevs.identity import host_device
from virloom.drivers.qemu.hostdevs.usb import find_usb
from virloom.drivers.qemu.process.record import GuestRecord
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.steps import reached
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    OperationInvalid,
    SystemFailure,
    VirloomError,
    XmlError,
    system_failure,
)
from virloom.host import pci
from virloom.host.release import release
from virloom.model.domain import Hostdev

if TYPE_CHECKING:
    from virloom.drivers.qemu.driver import QemuDriver

logger = logging.getLogger(__name__)

#: With which ``startupPolicy`` a device may be missing that is plugged in.
MAY_MISS = ("optional",)


async def take_devices(
    driver: QemuDriver,
    record: GuestRecord,
    hostdevs: Sequence[Hostdev],
    *,
    may_miss: Collection[str] = (),
) -> None:
    """Makes the host's devices ready for a guest, and notes in the document where they are.

    Args:
        record: Of the guest; it is saved with what is taken, before that is taken.
        hostdevs: The devices; USB devices that are missing and may be are noted as such.
        may_miss: With which ``startupPolicy`` a USB device may be missing.

    Raises:
        VirloomError: One cannot be had. What has been taken is for the caller to release by the
            record, and what was claimed by ``driver.claims``.
    """
    for hostdev in hostdevs:
        if hostdev.type != "scsi_host":  # whoever describes it looks for it
            prepare(hostdev, may_miss=may_miss)
    there = [hostdev for hostdev in hostdevs if not hostdev.source.missing]
    wanted = [device for device in map(host_device, there) if device is not None]
    for number, device in enumerate(wanted):
        driver.claims.check(device, record.name)
        if device[:2] in [other[:2] for other in wanted[:number]]:
            raise InternalError(
                f"{device} is in the document of '{record.name}' twice", domain=ErrorDomain.NONE
            )
    passed = [hostdev for hostdev in there if hostdev.type == "pci"]
    for hostdev in passed:
        path = devices_of_pci.find(pci_text(hostdev.source.address))
        devices_of_pci.check_assignable(path, managed=bool(hostdev.managed))
        devices_of_pci.check_free(driver.claims, path, record.name)
    driver.claims.take(wanted, record.name)
    managed = {pci_text(one.source.address): alias_of(one) for one in passed if one.managed}
    async with driver.claims.changing:
        await take_from_host(record, managed)
    names = [pci_text(hostdev.source.address) for hostdev in passed]
    devices_of_pci.check_group([devices_of_pci.find(name) for name in names])


async def take_from_host(record: GuestRecord, wanted: dict[str, str]) -> None:
    """Has VFIO take PCI devices from the host's drivers; those that it has already stay its own.

    Args:
        wanted: The host's names of devices, and the guest's of each.

    Raises:
        SystemFailure: The kernel would not.
    """
    found = {devices_of_pci.find(name): alias for name, alias in wanted.items()}
    lent = {path: alias for path, alias in found.items() if pci.driver_of(path) != pci.VFIO}
    if not lent:
        return
    await devices_of_pci.load_driver()
    record.resources += [pci.lent(path, alias) for path, alias in lent.items()]
    record.save()
    reached("devices-noted")
    for path in lent:
        try:
            await asyncio.to_thread(pci.bind, path)
        except OSError as exc:
            name = os.path.basename(path)
            raise system_failure(
                f"cannot take PCI device {name} from the host", exc, domain=ErrorDomain.NONE
            ) from exc
    reached("devices-taken")


def refusal(driver: QemuDriver, hostdev: Hostdev, guest: str) -> VirloomError | None:
    """Why the host does not give a device, where the guest's own reasons come first (libvirt's).

    Raises:
        VirloomError: The same, of others, as :func:`check_plugged`.
    """
    try:
        check_plugged(driver, hostdev, guest)
    except OperationInvalid:  # the guest has it
        raise
    except VirloomError as exc:
        if hostdev.type not in ("usb", "mdev"):
            raise
        return exc
    return None


def check_plugged(driver: QemuDriver, hostdev: Hostdev, guest: str) -> None:
    """Refuses a device that cannot be plugged into a guest, or that the guest has.

    Raises:
        OperationInvalid: It has it, maybe by another name.
        VirloomError: As :func:`prepare`.
    """
    if hostdev.type == "pci" and hostdev.driver.name == "xen":  # a start has another code for it
        raise ConfigUnsupported(
            "pciback passes devices on to guests of Xen", domain=ErrorDomain.QEMU
        )
    prepare(hostdev, may_miss=MAY_MISS)
    device = host_device(hostdev)
    if device is not None and not hostdev.source.missing:
        driver.claims.check_new(device, guest)


def prepare(
    hostdev: Hostdev, root: Path = devices_of_pci.HOST, *, may_miss: Collection[str] = ()
) -> None:
    """Sees whether the host has a device and passes such ones on, and notes where it is.

    Args:
        may_miss: As :func:`take_devices` has it.

    Raises:
        ConfigUnsupported: Nobody plugs such a device (capabilities of containers), or the host has
            nothing that passes it on.
        SystemFailure: The host has no bus of that kind, or no such device node.
        InternalError: There is no such device.
        OperationFailed: Several fit.
        XmlError: It is to be managed, and none of its type is.
    """
    if hostdev.mode != "subsystem":
        raise ConfigUnsupported(
            f"live attach of a hostdev of mode '{hostdev.mode}' is not supported",
            domain=ErrorDomain.QEMU,
        )
    match hostdev.type:
        case "usb":
            _find_usb(hostdev, root, may_miss)
        case "pci":
            devices_of_pci.check_driver(hostdev.driver)
            devices_of_pci.check_vfio(root)
        case "mdev":
            devices_of_pci.check_vfio(root)
            _find_mdev(hostdev, root)
        case "scsi" if hostdev.managed:
            raise XmlError(
                "SCSI devices of the host are never managed: their driver keeps them",
                domain=ErrorDomain.NONE,
            )
        case "scsi_host":
            _check_node(root / "dev/vhost-scsi")


def _find_usb(hostdev: Hostdev, root: Path, may_miss: Collection[str]) -> None:
    """Finds it, unless the document says that the guest can do without."""
    hostdev.source.missing = None
    try:
        find_usb(hostdev, root)
    except (InternalError, SystemFailure):  # several that fit are there
        if hostdev.source.startup_policy not in may_miss:
            raise
        hostdev.source.missing = True


def _find_mdev(hostdev: Hostdev, root: Path) -> None:
    address = hostdev.source.address
    name = (address.uuid if address is not None else None) or ""
    if not (root / "sys/bus/mdev/devices" / name).exists():
        raise InternalError(f"the host has no mediated device '{name}'")


def _check_node(path: Path) -> None:
    try:
        os.stat(path)
    except OSError as exc:
        raise system_failure(f"cannot look at '{path}'", exc, domain=ErrorDomain.QEMU) from exc


# -- and back ----------------------------------------------------------------------------------


async def return_devices(record: GuestRecord, aliases: Iterable[str] | None = None) -> None:
    """Gives devices back that were taken from the host; a failure is logged, and they stay listed.

    Args:
        aliases: Of the guest's devices that are meant; None means all.
    """
    mine = record.lent
    if aliases is not None:
        wanted = set(aliases)
        mine = [resource for resource in mine if resource["alias"] in wanted]
    for resource in reversed(mine):
        failed = await asyncio.to_thread(release, [resource])
        if failed:
            logger.error("domain '%s': cannot give back %s", record.name, failed)
        else:
            record.resources.remove(resource)


async def give_back(driver: QemuDriver, record: GuestRecord, hostdev: Hostdev) -> None:
    """A device has gone from a guest that runs, or did not get in."""
    if record.lent:
        await return_devices(record, [alias_of(hostdev)])
        record.save()
    device = host_device(hostdev)
    if device is not None:
        driver.claims.drop(record.name, device)
