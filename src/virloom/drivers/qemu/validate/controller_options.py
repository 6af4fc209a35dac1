# SPDX-License-Identifier: Apache-2.0
"""Checks of what a controller may say of itself, by its type and model."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.drivers.qemu.devices.boards import is_pseries
from virloom.drivers.qemu.iothreads import iothread_ids
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlError
from virloom.model.domain import Controller, Domain

_VIRTIO_SCSI = ("virtio-scsi", "virtio-transitional", "virtio-non-transitional")
_SCSI_OPTIONS = ("queues", "cmd_per_lun", "max_sectors", "ioeventfd")

#: What the target of each model of PCI controller has.
_TARGETS: dict[str, tuple[str, ...]] = {
    "pci-root": ("hotplug",),
    "pci-bridge": ("chassis_nr",),
    "pci-expander-bus": ("bus_nr", "node"),
    "pcie-expander-bus": ("bus_nr", "node"),
    "pcie-root-port": ("chassis", "port", "hotplug"),
    "pcie-switch-downstream-port": ("chassis", "port", "hotplug"),
}
_NAMES = {
    "pci-bridge": ("pci-bridge",),
    "dmi-to-pci-bridge": ("i82801b11-bridge",),
    "pcie-to-pci-bridge": ("pcie-pci-bridge",),
    "pcie-root-port": ("pcie-root-port", "ioh3420"),
    "pcie-switch-upstream-port": ("x3130-upstream",),
    "pcie-switch-downstream-port": ("xio3130-downstream",),
    "pci-expander-bus": ("pxb",),
    "pcie-expander-bus": ("pxb-pcie",),
}
_RANGES = {"chassis_nr": (1, 255), "chassis": (0, 255), "port": (0, 255), "bus_nr": (1, 254)}
#: Models that libvirt knows and QEMU does not make on this machine.
_ABSENT = {
    "usb": ("qusb1", "qusb2"),
    "scsi": ("buslogic", "ncr53c90"),
}


def check_given_options(controller: Controller) -> None:
    """Numbers of a PCI controller as the document has them.

    Raises:
        ConfigUnsupported: One is out of range.
        XmlError: An iothread for a controller that has none.
    """
    target = controller.target
    if controller.type == "pci" and target is not None:
        for name, (low, high) in _RANGES.items():
            value = getattr(target, name)
            if value is not None and not low <= value <= high:
                raise ConfigUnsupported(
                    f"PCI controller {controller.index}: {name} {value} is not {low} to {high}",
                    domain=ErrorDomain.DOMAIN,
                )
    if controller.driver.iothread is not None and controller.model not in _VIRTIO_SCSI:
        raise XmlError("an iothread is for virtio-scsi controllers", domain=ErrorDomain.DOMAIN)


def check_controller_options(dom: Domain, controller: Controller) -> None:
    """What QEMU's controllers of that model do not have.

    Raises:
        ConfigUnsupported: It is asked for.
        XmlError: A NUMA node that the guest does not have.
    """
    for message in _unsupported(dom, controller):
        raise ConfigUnsupported(
            f"{controller.type} controller {controller.index} ('{controller.model}'): {message}",
            domain=ErrorDomain.QEMU,
        )


def _unsupported(dom: Domain, controller: Controller) -> Iterator[str]:
    kind, model, driver = controller.type or "", controller.model, controller.driver
    if model in _ABSENT.get(kind, ()):
        yield "QEMU has no such model"
    if kind != "scsi" or model not in _VIRTIO_SCSI:
        for name in _SCSI_OPTIONS:
            if getattr(driver, name) is not None:
                yield f"{name} is for virtio-scsi controllers"
    if driver.iothread is not None and driver.iothread not in iothread_ids(dom):
        yield f"iothread {driver.iothread} is not one of the domain's"
    if kind == "pci":
        yield from _pci(dom, controller)


def _pci(dom: Domain, controller: Controller) -> Iterator[str]:
    model, target = controller.model or "", controller.target
    name = controller.model_element.name
    host_bridge = model == "pci-root" and is_pseries(dom)  # a device of its own there
    names = ("spapr-pci-host-bridge",) if host_bridge else _NAMES.get(model, ())
    if name is not None and name not in names:
        yield f"it is not made by '{name}'"
    if target is None:
        return
    options = ("index", "node") if host_bridge else _TARGETS.get(model, ())
    cells = dom.cpu.numa.cells if dom.cpu is not None and dom.cpu.numa is not None else []
    if target.node is not None and target.node >= len(cells):
        raise XmlError(
            f"PCI controller {controller.index} is on NUMA node {target.node}, which the guest "
            "does not have",
            domain=ErrorDomain.QEMU,
        )
    for option in ("chassis_nr", "chassis", "port", "bus_nr", "index", "hotplug", "node"):
        if getattr(target, option) is not None and option not in options:
            yield f"its target has no {option}"
