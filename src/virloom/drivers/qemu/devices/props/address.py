# SPDX-License-Identifier: Apache-2.0
"""Where a device sits, as QEMU is told: its bus and its place there."""

from __future__ import annotations

from typing import Any

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.model.domain import Address, Controller, Device, Domain, VirtioOptions

Props = dict[str, Any]


class Buses:
    """The buses of a guest by what addresses call them, from the aliases of its controllers.

    Made once per command line or hotplug.
    """

    def __init__(self, dom: Domain) -> None:
        self._controllers: dict[tuple[str, int], Controller] = {}
        for controller in dom.devices.controllers:
            # Companions of one EHCI share its index; the first of them carries the bus.
            self._controllers.setdefault((controller.type or "", controller.index or 0), controller)

    def controller(self, kind: str, index: int, user: str) -> Controller:
        """The controller of *kind* and *index* that the address of *user* refers to.

        Raises:
            InternalError: There is none: the address was not checked, or its alias is missing.
        """
        try:
            return self._controllers[kind, index]
        except KeyError:
            raise InternalError(
                f"address of '{user}' refers to {kind} controller {index}, which does not exist"
            ) from None

    def alias(self, kind: str, index: int, user: str) -> str:
        """QEMU's id of the controller, to which buses append their number."""
        return alias_of(self.controller(kind, index, user), f"{kind} controller {index}")

    def place(self, device: Device, user: str) -> Props:
        """``bus`` and ``addr`` (or what the bus calls them) for *device*, whose alias is *user*.

        Empty for buses where QEMU finds the place: virtio-mmio, and no address at all.
        """
        address = device.address
        kind = address.type if address is not None else None
        if address is None or kind in (None, "virtio-mmio", "unassigned"):
            return {}
        if kind == "pci":
            return self._pci(address, user) | acpi_index(device)
        if kind == "usb":
            bus = self.alias("usb", address.bus or 0, user)
            place: Props = {"bus": f"{bus}.0"}
            if address.port is not None:
                place["port"] = str(address.port)
            return place
        if kind == "virtio-serial":
            bus = self.alias("virtio-serial", address.controller or 0, user)
            return {"bus": f"{bus}.{address.bus or 0}", "nr": _number(address.port)}
        if kind == "ccw":
            return {
                "devno": f"{address.cssid or 0:x}.{address.ssid or 0:x}.{address.devno or 0:04x}"
            }
        if kind == "spapr-vio":
            return {"reg": address.reg} if address.reg is not None else {}
        if kind == "isa":
            pairs = (("iobase", address.iobase), ("irq", address.irq))
            return {key: value for key, value in pairs if value is not None}
        if kind == "drive":
            # libvirt 9 asks for the bus, and tells QEMU nothing of it.
            self.controller("scsi", address.controller or 0, user)
        # libvirt 9 lets the other kinds pass, and tells QEMU nothing of them.
        return {}

    def _pci(self, address: Address, user: str) -> Props:
        place: Props = {"bus": self.alias("pci", address.bus or 0, user)}
        if address.multifunction is not None:
            place["multifunction"] = address.multifunction
        function = address.function or 0
        suffix = f".0x{function:x}" if function else ""
        place["addr"] = f"0x{address.slot or 0:x}{suffix}"
        return place


def acpi_index(device: Device) -> Props:
    """The number of the device that firmware tells, where the document gives one."""
    return {"acpi-index": device.acpi.index} if device.acpi.index else {}


def alias_of(device: Device, what: str) -> str:
    """The alias of *device*, which QEMU knows it by.

    Raises:
        InternalError: It has none yet.
    """
    alias = device.alias
    if alias is None or not alias.name:
        raise InternalError(f"{what} has no alias")
    return alias.name


def virtio_driver(base: str, model: str | None, address: Address | None) -> str:
    """The name of a virtio device in its transport: ``virtio-blk`` on PCI is ``virtio-blk-pci``.

    Raises:
        InternalError: A transport that no virtio device has.
    """
    kind = address.type if address is not None and address.type is not None else "pci"
    if kind == "virtio-mmio":
        return f"{base}-device"
    if kind == "ccw":
        return f"{base}-ccw"
    if kind == "pci":
        suffix = model.removeprefix("virtio") if model and model.startswith("virtio-") else ""
        return f"{base}-pci{suffix}"
    raise InternalError(
        f"a {base} has an address of type '{kind}', which no virtio device can have",
        domain=ErrorDomain.QEMU,
    )


def virtio_options(driver: VirtioOptions) -> Props:
    """What every virtio device's ``<driver>`` may say of its transport."""
    pairs = (
        ("iommu_platform", driver.iommu),
        ("ats", driver.ats),
        ("packed", driver.packed),
        ("page-per-vq", driver.page_per_vq),
    )
    return {key: value for key, value in pairs if value is not None}


def _number(port: object) -> int:
    """The port of a virtio-serial address; the model keeps ports as text, as USB needs."""
    return int(str(port or 0), 0)
