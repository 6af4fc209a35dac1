# SPDX-License-Identifier: Apache-2.0
"""Checks of controllers and of what sits on them."""

from __future__ import annotations

from virloom.drivers.qemu.devices.address_chipset import is_i440fx, is_q35
from virloom.drivers.qemu.devices.boards import is_pseries
from virloom.drivers.qemu.validate.controller_options import (
    check_controller_options,
    check_given_options,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, XmlDetail, XmlError
from virloom.model.domain import Controller, Domain

_MODELS = {
    "usb": (
        "piix3-uhci",
        "piix4-uhci",
        "ehci",
        "ich9-ehci1",
        "ich9-uhci1",
        "ich9-uhci2",
        "ich9-uhci3",
        "vt82c686b-uhci",
        "pci-ohci",
        "nec-xhci",
        "qusb1",
        "qusb2",
        "qemu-xhci",
        "none",
    ),
    "scsi": (
        "auto",
        "buslogic",
        "lsilogic",
        "lsisas1068",
        "vmpvscsi",
        "ibmvscsi",
        "virtio-scsi",
        "lsisas1078",
        "virtio-transitional",
        "virtio-non-transitional",
        "ncr53c90",
        "dc390",
        "am53c974",
    ),
    "pci": (
        "pci-root",
        "pcie-root",
        "pci-bridge",
        "dmi-to-pci-bridge",
        "pcie-to-pci-bridge",
        "pcie-root-port",
        "pcie-switch-upstream-port",
        "pcie-switch-downstream-port",
        "pci-expander-bus",
        "pcie-expander-bus",
    ),
    "ide": ("piix3", "piix4", "ich6"),
    "isa": (),
    "virtio-serial": ("virtio", "virtio-transitional", "virtio-non-transitional"),
}
_XHCI_PORTS = 15
_OF_ANOTHER_BOARD = "vt82c686b-uhci"
_SINGLE = {"ide": "hda to hdd", "fdc": "fda and fdb"}


def check_given_controllers(dom: Domain) -> None:
    """Models and indices as the document has them."""
    seen: set[tuple[str | None, int]] = set()
    masters = {
        c.index or 0 for c in dom.devices.controllers if c.type == "usb" and c.model == "ich9-ehci1"
    }
    usb = [c.model == "none" for c in dom.devices.controllers if c.type == "usb"]
    if any(usb) and len(usb) > 1:
        raise XmlDetail(
            "a USB controller of model 'none' says that there is no other",
            domain=ErrorDomain.DOMAIN,
        )
    if sum(controller.type == "ide" for controller in dom.devices.controllers) > 1:
        raise ConfigUnsupported("a guest has one IDE controller", domain=ErrorDomain.QEMU)
    for controller in dom.devices.controllers:
        _model(controller)
        check_given_options(controller)
        _expander(dom, controller)
        index = controller.index
        if controller.type == "pci" and controller.model in ("pci-root", "pcie-root") and index:
            if controller.model == "pci-root" and is_pseries(dom):
                continue  # further host bridges
            raise XmlError(
                f"a '{controller.model}' controller has index 0, not {index}",
                domain=ErrorDomain.QEMU,
            )
        if controller.master is not None or (controller.model or "").startswith("ich9-uhci"):
            if (index or 0) not in masters:
                raise XmlDetail(
                    f"USB controller '{controller.model}' with index {index or 0} is a companion, "
                    "and there is no 'ich9-ehci1' with that index",
                    domain=ErrorDomain.DOMAIN,
                )
        elif index is not None:
            if (controller.type, index) in seen:
                raise XmlError(
                    f"two '{controller.type}' controllers have index {index}",
                    domain=ErrorDomain.DOMAIN,
                )
            seen.add((controller.type, index))


def _model(controller: Controller) -> None:
    known = _MODELS.get(controller.type or "")
    if known is not None and controller.model is not None and controller.model not in known:
        raise ConfigUnsupported(
            f"no controller of type '{controller.type}' has model '{controller.model}'; there "
            f"are {', '.join(known)}",
            domain=ErrorDomain.DOMAIN,
        )


def _expander(dom: Domain, controller: Controller) -> None:
    machine = dom.os.type.machine or "pc"
    fits = {"pci-expander-bus": is_i440fx, "pcie-expander-bus": is_q35}.get(
        (controller.type == "pci" and controller.model) or ""
    )
    if fits is not None and not fits(machine):
        raise ConfigUnsupported(
            f"machine '{machine}' takes no controller of model '{controller.model}'",
            domain=ErrorDomain.QEMU,
        )


def check_controllers(dom: Domain) -> None:
    """What the machine has no place for."""
    machine = dom.os.type.machine
    for controller in dom.devices.controllers:
        index, model = controller.index or 0, controller.model
        if controller.type in _SINGLE and index > 0:
            _second(dom, controller)
        if controller.type == "ide" and not is_i440fx(machine) and machine != "isapc":
            raise ConfigUnsupported(
                f"machine '{machine}' has no IDE controller; it has sata, scsi, virtio, usb",
                domain=ErrorDomain.QEMU,
            )
        check_controller_options(dom, controller)
        if controller.type == "pci" and model != "pcie-to-pci-bridge":
            _below(controller)
        if model in ("nec-xhci", "qemu-xhci") and (controller.ports or 0) > _XHCI_PORTS:
            raise ConfigUnsupported(
                f"USB controller '{model}' has at most {_XHCI_PORTS} ports, not {controller.ports}",
                domain=ErrorDomain.QEMU,
            )
    _narrow_scsi(dom)


def _second(dom: Domain, controller: Controller) -> None:
    """Refuses a second controller that has disks, and one for IDE even where it has none."""
    kind = controller.type or ""
    used = any(
        disk.target.bus == kind and disk.address is not None and disk.address.controller
        for disk in dom.devices.disks
    )
    said = f"a guest has one {kind} controller, for disks {_SINGLE[kind]}"
    if used:
        raise InternalError(said, domain=ErrorDomain.QEMU)
    if kind == "ide":
        raise ConfigUnsupported(said, domain=ErrorDomain.QEMU)


def _below(controller: Controller) -> None:
    """A bridge hangs on a bus with a lower number."""
    address, index = controller.address, controller.index or 0
    if address is not None and address.type == "pci" and index and (address.bus or 0) >= index:
        raise ConfigUnsupported(
            f"PCI controller {index} ('{controller.model}') sits on bus {address.bus}, and only "
            "a bus with a lower number can be above it",
            domain=ErrorDomain.QEMU,
        )


def _narrow_scsi(dom: Domain) -> None:
    lsi = {
        c.index or 0 for c in dom.devices.controllers if c.type == "scsi" and c.model == "lsilogic"
    }
    for disk in dom.devices.disks:
        address = disk.address
        if disk.target.bus != "scsi" or address is None:
            continue
        if address.bus:
            raise InternalError(
                f"disk '{disk.target.dev}': SCSI controllers have only bus 0",
                domain=ErrorDomain.QEMU,
            )
        if (address.controller or 0) in lsi and address.target:
            raise ConfigUnsupported(
                f"disk '{disk.target.dev}': controllers of model 'lsilogic' have only target 0",
                domain=ErrorDomain.QEMU,
            )


def check_usb_start(dom: Domain) -> None:
    """USB controllers that a definition may have, and QEMU does not.

    Raises:
        ConfigUnsupported: There is one.
    """
    for controller in dom.devices.controllers:
        if controller.type != "usb":
            continue
        if controller.model == _OF_ANOTHER_BOARD:
            raise ConfigUnsupported(
                f"QEMU has no USB controller of model '{controller.model}' here",
                domain=ErrorDomain.QEMU,
            )
        if controller.ports is not None and not (controller.model or "").endswith("-xhci"):
            raise ConfigUnsupported(
                f"USB controller '{controller.model}' has a fixed number of ports",
                domain=ErrorDomain.QEMU,
            )
