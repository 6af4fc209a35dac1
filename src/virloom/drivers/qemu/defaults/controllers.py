# SPDX-License-Identifier: Apache-2.0
"""Controllers that a machine brings or a device needs, and the models of those without one."""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.devices.address import is_microvm
from virloom.drivers.qemu.devices.address_chipset import is_i440fx, is_q35
from virloom.drivers.qemu.devices.boards import board, is_ccw, is_pseries, is_x86
from virloom.drivers.qemu.devices.controllers import (
    ensure_controller,
    find_controller,
    insert_controller,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import XmlError
from virloom.model.domain import Controller, Domain

_USB2_GROUP = ("ich9-ehci1", "ich9-uhci1", "ich9-uhci2", "ich9-uhci3")


def add_basic_controllers(dom: Domain, caps: BinaryCaps) -> None:
    """What every guest of the machine has: USB, and the chipset's own.

    Raises:
        XmlError: The document's first PCI controller is not the machine's.
    """
    sort_controllers(dom)
    machine = dom.os.type.machine
    own = board(dom)
    if not is_x86(dom):
        if own.usb is not None and find_controller(dom, "usb", 0) is None:
            ensure_controller(dom, "usb", 0, own.usb)
        if own.root is not None:
            _ensure_root(dom, own.root)
        return
    if find_controller(dom, "usb", 0) is None:
        ensure_controller(dom, "usb", 0, _usb_model(machine, caps))
    if is_q35(machine):
        ensure_controller(dom, "sata", 0)
        _ensure_root(dom, "pcie-root")
    elif is_i440fx(machine):
        _ensure_root(dom, "pci-root")


def sort_controllers(dom: Domain) -> None:
    """The order in which libvirt keeps controllers: types as they come, sorted by index."""
    given = dom.devices.controllers[:]
    for controller in given:
        # libvirt takes a controller that names no type for an IDE one.
        controller.type = controller.type or "ide"
    dom.devices.controllers.clear()
    for controller in given:
        insert_controller(dom, controller)
    for controller in given:
        if controller.index is None:
            controller.index = _shared_index(controller, given)
        if controller.index is None:
            taken = {other.index for other in given if other.type == controller.type}
            controller.index = next(n for n in range(len(taken) + 1) if n not in taken)


def _shared_index(controller: Controller, given: list[Controller]) -> int | None:
    """The number of a USB 2 group that still lacks this one of its four controllers."""
    if controller.type != "usb" or controller.model not in _USB2_GROUP:
        return None
    group = [c for c in given if c.type == "usb" and c.model in _USB2_GROUP]
    for other in group:
        models = {c.model for c in group if c.index == other.index}
        if other.index is not None and controller.model not in models:
            return other.index
    return None


def _usb_model(machine: str | None, caps: BinaryCaps) -> str | None:
    if is_q35(machine):
        return "qemu-xhci"
    if is_microvm(machine):
        # libvirt takes such a machine only where the document says that there is no USB.
        return "none"
    return None


def _ensure_root(dom: Domain, model: str) -> None:
    root = find_controller(dom, "pci", 0)
    if root is None:
        ensure_controller(dom, "pci", 0, model)
    elif root.model != model:
        raise XmlError(
            f"PCI controller 0 of machine '{dom.os.type.machine}' is '{model}', not '{root.model}'",
            domain=ErrorDomain.QEMU,
        )


def add_implied_controllers(dom: Domain) -> None:
    """The controllers that disks, channels and consoles sit on, without gaps."""
    for bus in ("scsi", "fdc", "ide", "sata"):
        used = [
            disk.address.controller or 0
            for disk in dom.devices.disks
            if disk.target.bus == bus and disk.address is not None and disk.address.type == "drive"
        ]
        for index in range(max(used, default=-1) + 1):
            ensure_controller(dom, bus, index)
    channels = [c.address for c in dom.devices.channels if c.target.type == "virtio"]
    consoles = [c.address for c in dom.devices.consoles if c.target.type == "virtio"]
    for address in channels + consoles:
        index = 0
        if address is not None and address.type == "virtio-serial":
            index = address.controller or 0
        ensure_controller(dom, "virtio-serial", index)


def fill_controllers(dom: Domain, caps: BinaryCaps) -> None:
    """The models of USB and SCSI controllers, and the companions of a USB 2 controller."""
    for controller in dom.devices.controllers[:]:
        _fill_pci(controller)
        if controller.model == "auto" and controller.type == "scsi":
            controller.model = None
        if controller.model is None:
            if controller.type == "usb" and is_pseries(dom):
                controller.model = "qemu-xhci"
            elif controller.type == "usb" and caps.may_have_device("piix3-usb-uhci"):
                controller.model = "piix3-uhci"
            elif controller.type == "scsi":
                controller.model = _scsi_model(dom, caps)


def _fill_pci(controller: Controller) -> None:
    """Drops what only other kinds of controllers have."""
    if controller.type != "pci":
        controller.target = None
    if controller.model not in ("pci-root", "pcie-root"):
        controller.pcihole64 = None
    elif controller.model_element.name == "none":
        controller.model_element.name = None


def _scsi_model(dom: Domain, caps: BinaryCaps) -> str:
    if is_pseries(dom):
        return "ibmvscsi"
    if is_ccw(dom):
        return "virtio-scsi"
    if not is_microvm(dom.os.type.machine) and caps.may_have_device("lsi53c895a"):
        return "lsilogic"
    return "virtio-scsi"
