# SPDX-License-Identifier: Apache-2.0
"""File systems and disks as an agent tells of them, and which of the domain's disks they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from virloom.drivers.qemu.agent.answers import items, number, text
from virloom.model.domain import Disk, Domain
from virloom.model.domain.devices.address import Address

#: The agent's names of buses whose disks a controller and numbers tell, and libvirt's.
_CONTROLLERS = {"ide": "ide", "fdc": "fdc", "scsi": "scsi", "sata": "sata"}

#: Disks, or disks of a file system, that one may have.
_MANY = 256


class GuestDisk(NamedTuple):
    """A disk in the guest.

    Attributes:
        name: The target of the domain's disk that it is; None where it is none.
        serial, device: What the guest says of it.
        bus: How it is attached, in the agent's words.
    """

    name: str | None
    serial: str | None
    device: str | None
    bus: str | None


class GuestFileSystem(NamedTuple):
    """A mounted file system."""

    mountpoint: str
    name: str
    kind: str
    total: int | None
    used: int | None
    disks: list[GuestDisk]


def file_systems(model: Domain, answer: Any) -> list[GuestFileSystem]:
    """What ``guest-get-fsinfo`` answers, the last mounted one first as libvirt has them.

    Raises:
        KeyError, TypeError, ValueError: It has another form.
    """
    return [_file_system(model, item) for item in _few(answer)]


def _file_system(model: Domain, item: Mapping[str, Any]) -> GuestFileSystem:
    return GuestFileSystem(
        text(item["mountpoint"]),
        text(item["name"]),
        text(item["type"]),
        _bytes(item, "total-bytes"),
        _bytes(item, "used-bytes"),
        [guest_disk(model, disk) for disk in _few(item["disk"])],
    )


def _bytes(item: Mapping[str, Any], key: str) -> int | None:
    return number(item[key], 0, (1 << 64) - 1) if key in item else None


def _few(answer: Any) -> list[dict[str, Any]]:
    found = items(answer)
    if len(found) > _MANY:
        raise ValueError(f"more than {_MANY} of them")
    return found


def guest_disk(model: Domain, item: Mapping[str, Any]) -> GuestDisk:
    """A ``GuestDiskAddress`` of the agent's."""
    disk = _find(model, item)
    return GuestDisk(
        disk.target.dev if disk is not None else None,
        _text(item, "serial"),
        _text(item, "dev"),
        _text(item, "bus-type"),
    )


def _text(item: Mapping[str, Any], key: str) -> str | None:
    return text(item[key]) if key in item else None


def _find(model: Domain, item: Mapping[str, Any]) -> Disk | None:
    """The domain's disk at an address: of itself, or on the controller that has it."""
    pci = tuple(number(item["pci-controller"][key]) for key in _PCI)
    drive = tuple(number(item[key]) for key in _DRIVE)
    by_pci = {
        _place(one.address, _PCI): one for one in model.devices.disks if _is(one.address, "pci")
    }
    if pci in by_pci:
        return by_pci[pci]
    bus = _CONTROLLERS.get(str(item.get("bus-type")))
    for controller in model.devices.controllers:
        if controller.type != bus or not _is(controller.address, "pci"):
            continue
        if _place(controller.address, _PCI) == pci:
            return _on_controller(model, bus, controller.index or 0, drive)
    return None


def _on_controller(
    model: Domain, bus: str | None, index: int, drive: tuple[int, ...]
) -> Disk | None:
    for disk in model.devices.disks:
        if disk.target.bus != bus or not _is(disk.address, "drive"):
            continue
        at = disk.address
        if at is not None and (at.controller or 0) == index and _place(at, _DRIVE) == drive:
            return disk
    return None


_PCI = ("domain", "bus", "slot", "function")
_DRIVE = ("bus", "target", "unit")


def _is(address: Address | None, kind: str) -> bool:
    return address is not None and address.type == kind


def _place(address: Address | None, names: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(getattr(address, name) or 0 for name in names)
