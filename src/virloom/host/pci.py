# SPDX-License-Identifier: Apache-2.0
"""PCI devices of the host: which driver has one, and having another one take it.

All of it is files of the kernel's tree (Documentation/ABI/testing/sysfs-bus-pci: ``driver``,
``driver_override``, ``unbind``, ``drivers_probe``, ``reset``). A device's directory is a parameter,
so that a tree of files stands for hardware. Unbinding waits for whoever has the device open.

Standard library only, and little of it: the guardian process loads this module too.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    #: Writes a value into a file of the kernel's tree.
    Write = Callable[[str, str], None]

DEVICES = "/sys/bus/pci/devices"
#: The kernel's driver that hands devices to programs (Documentation/driver-api/vfio.rst).
VFIO = "vfio-pci"
#: Class of bridges between PCI buses, without its last byte (PCI Code and ID Assignment, 1.7).
_BRIDGE_CLASS = 0x0604
#: What the kernel shows where nothing is overridden.
_NO_OVERRIDE = "(null)"


def write_file(path: str, value: str) -> None:
    """Tells the kernel something; a tree that is not the kernel's has a way of its own."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def is_loaded(driver: str = VFIO) -> bool:
    """Whether the kernel has a driver."""
    return os.path.exists(f"/sys/bus/pci/drivers/{driver}")


def driver_of(device: str) -> str | None:
    """The driver that has a device; None while none has."""
    try:
        return os.path.basename(os.readlink(f"{device}/driver"))
    except FileNotFoundError:
        return None


def override_of(device: str) -> str:
    """The only driver that may take the device; empty where any that fits may."""
    try:
        with open(f"{device}/driver_override", encoding="ascii") as file:
            name = file.read().strip()
    except FileNotFoundError:
        return ""
    return "" if name == _NO_OVERRIDE else name


def is_bridge(device: str) -> bool:
    """Whether it is a bridge to another bus, which nobody can use by itself."""
    with open(f"{device}/class", encoding="ascii") as file:
        return int(file.read(), 16) >> 8 == _BRIDGE_CLASS


def group_of(device: str) -> list[str]:
    """The directories of all devices of its IOMMU group, itself included; none without an IOMMU."""
    members = f"{device}/iommu_group/devices"
    try:
        return [os.path.join(os.path.dirname(device), name) for name in sorted(os.listdir(members))]
    except FileNotFoundError:
        return []


def bind(device: str, driver: str = VFIO, write: Write = write_file) -> None:
    """Has *driver* take the device, from whichever has it.

    Raises:
        OSError: The kernel would not; what has been done by then is for :func:`give_back`.
    """
    if driver_of(device) == driver:
        return
    write(f"{device}/driver_override", driver)
    _unbind(device, write)
    _probe(device, write)
    if driver_of(device) != driver:
        raise OSError(f"the driver {driver} does not take it")


def unbind(device: str, override: str = "", write: Write = write_file) -> None:
    """Takes the device from its driver, and lets the one take it that the kernel chooses.

    Args:
        override: The only driver that may; empty lets any that fits.

    Raises:
        OSError: The kernel would not.
    """
    write(f"{device}/driver_override", override or "\n")
    _unbind(device, write)
    _probe(device, write)


def reset(device: str) -> None:
    """Has the kernel reset the device, by the best of the ways that it has.

    Raises:
        OSError: It would not; FileNotFoundError: there is none.
    """
    write_file(f"{device}/reset", "1")


def lent(device: str, alias: str) -> dict[str, str]:
    """The resource of a guest's record that stands for a device taken for the guest.

    Args:
        alias: The guest's name of it.
    """
    return {
        "kind": "pci",
        "path": device,
        "alias": alias,
        "override": override_of(device),
    }


def give_back(resource: Mapping[str, Any], write: Write = write_file) -> None:
    """Gives a device back to the host that :func:`lent` describes; may be repeated.

    Raises:
        OSError: The kernel would not.
    """
    device = resource["path"]
    if not os.path.exists(device) or override_of(device) != VFIO:
        return  # it has been pulled out, was never taken, or is given back already
    unbind(device, resource["override"], write)


def _unbind(device: str, write: Write) -> None:
    try:
        write(f"{device}/driver/unbind", os.path.basename(device))
    except FileNotFoundError:
        return  # no driver has it


def _probe(device: str, write: Write) -> None:
    # The tree's own: <root>/bus/pci/devices/ADDRESS is a link to below <root>/devices.
    write(
        os.path.join(os.path.dirname(os.path.dirname(device)), "drivers_probe"),
        os.path.basename(device),
    )
