# SPDX-License-Identifier: Apache-2.0
"""Which devices sit on PCI, and on what kind of bus libvirt 9 puts each."""

from __future__ import annotations

from virloom.drivers.qemu.devices.address_pci import (
    CONTROLLER_FLAGS,
    HOTPLUG,
    PCI_DEVICE,
    PCIE_DEVICE,
)
from virloom.drivers.qemu.devices.boards import is_ccw
from virloom.drivers.qemu.devices.passed import becomes_function
from virloom.model.domain import (
    Controller,
    Device,
    Disk,
    Domain,
    Filesystem,
    Hostdev,
    Input,
    Interface,
    Iommu,
    Memballoon,
    MemoryDevice,
    Rng,
    Serial,
    Shmem,
    Sound,
    Video,
    Vsock,
    Watchdog,
)

_PCI = PCI_DEVICE | HOTPLUG
_PCIE = PCIE_DEVICE | HOTPLUG

# Network cards that libvirt knows to be conventional PCI; a model that it does not know is PCIe.
_PCI_NICS = frozenset(
    {"rtl8139", "e1000", "vmxnet3", "virtio-transitional", "lan9118", "smc91c111", "netfront"}
)
_OTHER_NICS = frozenset({"usb-net", "spapr-vlan"})
#: Kinds of <filesystem> that QEMU serves; None is libvirt's "default".
_QEMU_FILESYSTEMS = (None, "path", "handle", "virtiofs")

_XHCI = frozenset({"nec-xhci", "qemu-xhci"})
_SCSI_EXPRESS = frozenset({"virtio-scsi", "virtio-non-transitional"})


class Connector:
    """Says what each device of one guest asks of a PCI bus."""

    def __init__(self, dom: Domain) -> None:
        self._channels = is_ccw(dom)
        self._express = _PCIE if root_model(dom) == "pcie-root" else _PCI

    def flags(self, device: Device) -> int:
        """What *device* asks for; 0 when it does not sit on PCI."""
        if self._channels and device.tag != "controller":
            # Without a host device nothing of such a machine sits on PCI.
            return 0
        match device:
            case Controller():
                return self._controller(device)
            case Interface():
                return self._interface(device)
            case Disk():
                return self._virtio(device.model) if device.target.bus == "virtio" else 0
            case Input():
                return self._virtio(device.model) if device.bus == "virtio" else 0
            case Memballoon():
                return 0 if device.model in (None, "none") else self._virtio(device.model)
            case Rng():
                return self._virtio(device.model)
            case Video():
                return self._video(device)
            case Sound():
                return 0 if device.model in ("sb16", "pcspk", "usb", "ich7") else _PCI
            case Watchdog():
                return _PCI if device.model == "i6300esb" else 0
            case Filesystem():
                return self._filesystem(device)
            case Serial():
                return _PCI if device.target.type == "pci-serial" else 0
            case Hostdev():
                return self._hostdev(device)
            case Vsock():
                return self._virtio(device.model)
            case Shmem():
                return _PCI
            case MemoryDevice():
                return self._express if device.model in ("virtio-mem", "virtio-pmem") else 0
            case Iommu():
                # On the root bus itself: nothing behind a port can translate for the others.
                return self._express & ~HOTPLUG if device.model == "virtio" else 0
        return 0

    def _hostdev(self, device: Hostdev) -> int:
        if device.type == "scsi_host":
            return self._virtio(device.model)
        # What the host's device is cannot be seen here: libvirt takes it for PCI Express then.
        return self._express if device.type in ("pci", "mdev") else 0

    def _virtio(self, model: str | None) -> int:
        return _PCI if model == "virtio-transitional" else self._express

    def has_no_place(self, device: Device) -> bool:
        """Whether libvirt looks for a PCI slot that no bus of this machine has."""
        match device:
            case Interface():
                return device.model.type == "usb-net"
            case Sound():
                return device.model == "ich7"
            case Controller():
                return device.type in ("xenbus", "isa")
            case Filesystem():
                return not self._filesystem(device)
        return False

    def _filesystem(self, device: Filesystem) -> int:
        if device.driver.type not in _QEMU_FILESYSTEMS:
            return 0
        return self._virtio(device.model)

    def _controller(self, device: Controller) -> int:
        model = device.model
        if model == "ibmvscsi" or (self._channels and device.type != "pci"):
            return 0
        match device.type:
            case "pci":
                return CONTROLLER_FLAGS.get(model or "", 0)
            case "usb":
                if model == "none":
                    return 0
                return self._express if model in _XHCI else _PCI
            case "scsi":
                return self._express if model in _SCSI_EXPRESS else _PCI
            case "virtio-serial":
                return self._virtio(model)
            case "sata" | "ide":
                return _PCI
        return 0

    def _interface(self, device: Interface) -> int:
        model = device.model.type
        if model in _OTHER_NICS:
            return 0
        if becomes_function(device):
            return self._express  # as for other host devices
        return _PCI if model in _PCI_NICS else self._express

    def _video(self, device: Video) -> int:
        match device.model.type:
            case "virtio" | "bochs":
                return self._express
            case "none" | "ramfb" | "gop":
                return 0
        return _PCI


def root_model(dom: Domain) -> str | None:
    """The model of the guest's first PCI bus; None on a machine without PCI."""
    for controller in dom.devices.controllers:
        if controller.type == "pci" and not controller.index:
            return controller.model
    return None
