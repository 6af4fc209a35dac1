# SPDX-License-Identifier: Apache-2.0
"""Controllers, in the order in which others can refer to them."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.devices.props.controller import controller_device
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Controller

#: libvirt's order; guests number what has no address by it.
_ORDER = ("pci", "usb", "scsi", "ide", "sata", "virtio-serial")


def add_controllers(assembly: Assembly) -> None:
    """Every controller that the machine does not bring along."""
    controllers = assembly.dom.devices.controllers
    for controller in controllers:
        if controller.type not in _ORDER and controller.type not in ("fdc", "isa", "ccid"):
            raise ConfigUnsupported(f"controller type '{controller.type}' is not supported yet")
    for kind in _ORDER:
        for controller in controllers:
            if controller.type == kind and not _built_in(assembly, controller):
                assembly.args.device(controller_device(controller, assembly.buses))
    _add_floppy_controller(assembly)
    _add_pci_holes(assembly)


def add_card_readers(assembly: Assembly) -> None:
    """Readers of smartcards, which may sit behind a hub."""
    for controller in assembly.dom.devices.controllers:
        if controller.type == "ccid":
            assembly.args.device(controller_device(controller, assembly.buses))


def _built_in(assembly: Assembly, controller: Controller) -> bool:
    """Whether the machine has it anyway, or the document only says that there is none."""
    kind, model = controller.type, controller.model
    if kind == "pci":
        return model in ("pci-root", "pcie-root") and not controller.index
    if kind == "usb":
        return model == "none"
    if kind == "sata":
        return assembly.q35 and not controller.index
    if kind == "ide":
        if assembly.i440fx and not controller.index:
            return True
        raise ConfigUnsupported("only the IDE controller of the pc machine is supported")
    return False


def _add_floppy_controller(assembly: Assembly) -> None:
    """The q35 board has none; the pc board has one, whose drives get their boot index here."""
    floppies = [disk for disk in assembly.dom.devices.disks if disk.device == "floppy"]
    if not floppies:
        return
    indexes = {}
    for disk in floppies:
        unit = (disk.address.unit if disk.address is not None else 0) or 0
        boot = assembly.boot.get(disk.alias.name or "") if disk.alias is not None else None
        if boot is not None:
            indexes["bootindexB" if unit else "bootindexA"] = boot
    if assembly.q35:
        assembly.args.device({"driver": "isa-fdc", **indexes})
        return
    for name, boot in indexes.items():
        assembly.args.option("global", f"isa-fdc.{name}={boot}")


def _add_pci_holes(assembly: Assembly) -> None:
    """The size of the 64-bit PCI window of a root bus, in KiB in the document."""
    for controller in assembly.dom.devices.controllers:
        if controller.type == "pci" and controller.pcihole64 is not None:
            bridge = "q35-pcihost" if controller.model == "pcie-root" else "i440FX-pcihost"
            assembly.args.option("global", f"{bridge}.pci-hole64-size={controller.pcihole64}K")
