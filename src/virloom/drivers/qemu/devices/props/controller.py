# SPDX-License-Identifier: Apache-2.0
"""Controllers: bridges and host adapters that other devices sit on."""

from __future__ import annotations

from collections.abc import Callable

from virloom.drivers.qemu.devices.props.address import (
    Buses,
    Props,
    alias_of,
    virtio_driver,
    virtio_options,
)
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Controller

_USB = {
    "piix3-uhci": "piix3-usb-uhci",
    "piix4-uhci": "piix4-usb-uhci",
    "ehci": "usb-ehci",
    "ich9-ehci1": "ich9-usb-ehci1",
    "ich9-uhci1": "ich9-usb-uhci1",
    "ich9-uhci2": "ich9-usb-uhci2",
    "ich9-uhci3": "ich9-usb-uhci3",
    "vt82c686b-uhci": "vt82c686b-usb-uhci",
    "pci-ohci": "pci-ohci",
    "nec-xhci": "nec-usb-xhci",
    "qemu-xhci": "qemu-xhci",
}

_SCSI = {
    "lsilogic": "lsi",
    "lsisas1068": "mptsas1068",
    "lsisas1078": "megasas",
    "vmpvscsi": "pvscsi",
    "am53c974": "am53c974",
    "dc390": "dc-390",
    "ibmvscsi": "spapr-vscsi",
}

#: Model of a PCI controller to the devices that ``<model name=…>`` may choose, the usual first.
_PCI = {
    "pci-bridge": ("pci-bridge",),
    "pci-expander-bus": ("pxb",),
    "dmi-to-pci-bridge": ("i82801b11-bridge",),
    "pcie-to-pci-bridge": ("pcie-pci-bridge",),
    "pcie-root-port": ("pcie-root-port", "ioh3420"),
    "pcie-switch-upstream-port": ("x3130-upstream",),
    "pcie-switch-downstream-port": ("xio3130-downstream",),
    "pcie-expander-bus": ("pxb-pcie",),
    "pci-root": ("spapr-pci-host-bridge",),
}


def controller_device(controller: Controller, buses: Buses) -> Props:
    """Properties of the device of *controller*.

    Raises:
        ConfigUnsupported: A kind or model that is not supported.
    """
    kind = controller.type or ""
    makers: dict[str, Callable[[Controller], Props]] = {
        "pci": _pci,
        "usb": _usb,
        "scsi": _scsi,
        "sata": lambda _: {"driver": "ahci"},
        "virtio-serial": _virtio_serial,
        "ccid": _ccid,
    }
    if kind not in makers:
        raise ConfigUnsupported(
            f"controller type '{kind}' is not supported; known: " + ", ".join(sorted(makers))
        )
    what = f"{kind} controller {controller.index}"
    props: Props = makers[kind](controller)
    alias = alias_of(controller, what)
    if controller.master is None:
        # A companion shares its master's index and so its alias: it goes without an id.
        props["id"] = alias
    props.update(buses.place(controller, alias))
    if controller.master is not None:
        props["masterbus"] = f"{buses.alias('usb', controller.index or 0, what)}.0"
        props["firstport"] = controller.master.startport
    return props


def _pci(controller: Controller) -> Props:
    target = controller.target
    model = controller.model or ""
    if model not in _PCI:
        raise ConfigUnsupported(f"PCI controller model '{model}' is not supported")
    name = controller.model_element.name or _PCI[model][0]
    if name not in _PCI[model]:
        raise ConfigUnsupported(
            f"PCI controller model '{model}' cannot be a '{name}'; known: " + ", ".join(_PCI[model])
        )
    props: Props = {"driver": name}
    if target is None:
        return props
    if model == "pci-root":
        props["index"] = target.index
    elif model == "pci-bridge":
        props["chassis_nr"] = target.chassis_nr
    elif model in ("pci-expander-bus", "pcie-expander-bus"):
        props["bus_nr"] = target.bus_nr
        if target.node is not None:
            props["numa_node"] = target.node
    elif model in ("pcie-root-port", "pcie-switch-downstream-port"):
        props.update({"port": target.port, "chassis": target.chassis})
    if target.hotplug is False:
        props["hotplug"] = False
    return {key: value for key, value in props.items() if value is not None}


def _ccid(_controller: Controller) -> Props:
    return {"driver": "usb-ccid"}


def _usb(controller: Controller) -> Props:
    model = controller.model or ""
    if model not in _USB:
        raise ConfigUnsupported(
            f"USB controller model '{model}' is not supported; known: " + ", ".join(sorted(_USB))
        )
    props: Props = {"driver": _USB[model]}
    if controller.ports is not None:
        props.update({"p2": controller.ports, "p3": controller.ports})
    return props


def _scsi(controller: Controller) -> Props:
    model = controller.model or ""
    if model.startswith("virtio-"):
        # "virtio-scsi" is the plain model; "virtio-transitional" names the transport's variant.
        variant = None if model == "virtio-scsi" else model
        props: Props = {"driver": virtio_driver("virtio-scsi", variant, controller.address)}
    elif model in _SCSI:
        props = {"driver": _SCSI[model]}
    else:
        raise ConfigUnsupported(f"SCSI controller model '{model}' is not supported")
    driver = controller.driver
    if model not in _SCSI:
        props.update(virtio_options(driver))
    if driver.iothread:
        props["iothread"] = f"iothread{driver.iothread}"
    pairs = (
        ("num_queues", driver.queues),
        ("cmd_per_lun", driver.cmd_per_lun),
        ("max_sectors", driver.max_sectors),
        ("ioeventfd", driver.ioeventfd),
    )
    props.update({key: value for key, value in pairs if value is not None})
    return props


def _virtio_serial(controller: Controller) -> Props:
    props: Props = {
        "driver": virtio_driver("virtio-serial", controller.model, controller.address),
        **virtio_options(controller.driver),
    }
    pairs = (("max_ports", controller.ports), ("vectors", controller.vectors))
    props.update({key: value for key, value in pairs if value is not None})
    return props
