# SPDX-License-Identifier: Apache-2.0
"""Gives every PCI device of a guest its address, in libvirt 9's order, adding buses as needed."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.drivers.qemu.devices.address_chipset import (
    given_pci,
    place,
    place_chipset,
    wants_pci,
)
from virloom.drivers.qemu.devices.address_flags import Connector, root_model
from virloom.drivers.qemu.devices.address_pci import (
    HOTPLUG,
    PCI_DEVICE,
    PCIE_DEVICE,
    PciAddress,
    PciAddressSet,
)
from virloom.drivers.qemu.devices.boards import is_pseries, is_x86
from virloom.drivers.qemu.devices.describe import describe
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, VirloomError, XmlError
from virloom.model.domain import Controller, ControllerTarget, Device, Domain

_ROOTS = ("pci-root", "pcie-root")
_EHCI = "ich9-ehci1"
_COMPANION_FUNCTIONS = {_EHCI: 7, "ich9-uhci1": 0, "ich9-uhci2": 1, "ich9-uhci3": 2}

# QEMU's device for each model of PCI controller (libvirt's <model name=…/>).
_DEVICE_NAMES = {
    "pci-bridge": "pci-bridge",
    "dmi-to-pci-bridge": "i82801b11-bridge",
    "pcie-to-pci-bridge": "pcie-pci-bridge",
    "pcie-root-port": "pcie-root-port",
    "pcie-switch-upstream-port": "x3130-upstream",
    "pcie-switch-downstream-port": "xio3130-downstream",
    "pci-expander-bus": "pxb",
    "pcie-expander-bus": "pxb-pcie",
}


def assign_pci(dom: Domain) -> None:
    """Completes all PCI addresses and controllers.

    Raises:
        XmlError: Two devices have one address, a bus does not take a device, or nothing is free.
    """
    given = {
        controller.index or 0: controller.model or ""
        for controller in dom.devices.controllers
        if controller.type == "pci"
    }
    connector = Connector(dom)
    count = max(given) + 1 if given else 0
    if count:
        rehearsal = _Assignment(dom, connector, count, grows=True)
        rehearsal.run()
        rehearsal.keep_spare(count)
        rehearsal.add_controllers()
        count = len(rehearsal.buses.buses)
    _Assignment(dom, connector, count, grows=False).run()
    _mark_multifunction(dom)
    _complete_controllers(dom)


class _Assignment:
    """One round: taken addresses first, then the chipset's, then all others in turn."""

    def __init__(self, dom: Domain, connector: Connector, count: int, *, grows: bool) -> None:
        self._dom = dom
        self._connector = connector
        self._grows = grows
        self.buses = PciAddressSet(_models(dom, count), grows=grows)

    def run(self) -> None:
        for device in _in_document_order(self._dom):
            address = given_pci(device)
            if address is not None:
                self._take_given(device, address)
        place_chipset(self._dom, self.buses, self._connector)
        conventional = root_model(self._dom) == "pci-root" and is_x86(self._dom)
        if self._grows and conventional and not all(bus.is_full() for bus in self.buses.buses):
            # Room for a bridge, before the last slot is given away.
            self.buses.reserve_next(HOTPLUG | PCI_DEVICE)
        self._others()

    def _take_given(self, device: Device, address: PciAddress) -> None:
        flags = self._connector.flags(device)
        if flags or device.address is not None:
            try:
                taken = self.buses.reserve(address, flags or PCI_DEVICE, chosen=True)
            except (XmlError, InternalError) as exc:
                raise self._naming(device, exc) from exc
            if taken != address:
                place(device, taken)

    def _others(self) -> None:
        found: dict[int, PciAddress] = {}
        for device in pci_devices(self._dom):
            if not wants_pci(device):
                continue
            flags = self._connector.flags(device)
            if not flags and not self._connector.has_no_place(device):
                continue
            if not self.buses.buses and not is_x86(self._dom):
                continue  # as libvirt 9 leaves it; such a guest does not start
            try:
                self._give(device, flags, found)
            except (XmlError, InternalError) as exc:
                raise self._naming(device, exc) from exc

    def _give(self, device: Device, flags: int, found: dict[int, PciAddress]) -> None:
        if not flags:
            raise InternalError("no bus takes it", domain=ErrorDomain.DOMAIN)
        if isinstance(device, Controller) and device.model in _COMPANION_FUNCTIONS:
            self._companion(device, flags, found)
            return
        address = self.buses.reserve_next(flags)
        if not self._grows:
            place(device, address)

    def _naming(self, device: Device, error: XmlError | InternalError) -> VirloomError:
        """The error, and which device it is about."""
        return type(error)(f"{describe(self._dom, device)}: {error.detail}", domain=error.domain)

    def _companion(self, device: Controller, flags: int, found: dict[int, PciAddress]) -> None:
        """USB 2 and its companions share a slot, each with its own function."""
        index = device.index or 0
        function = _COMPANION_FUNCTIONS[device.model or ""]
        slot = found.get(index) or _slot_of_companions(self._dom, index)
        if slot is None:
            address = self.buses.reserve_next(flags, function)
        else:
            address = slot._replace(function=function)
            self.buses.reserve(address, flags, chosen=True)
        found[index] = address
        if not self._grows:
            place(device, address, multifunction=True if function == 0 else None)

    def keep_spare(self, given: int) -> None:
        """One free root port for a hotplug, where the document leaves buses to us."""
        if given == 1 and len(self.buses.buses) > 1 and root_model(self._dom) == "pcie-root":
            self.buses.reserve_next(HOTPLUG | PCIE_DEVICE)

    def add_controllers(self) -> None:
        """The buses that were added become controllers, which need addresses in turn."""
        known = {c.index or 0 for c in self._dom.devices.controllers if c.type == "pci"}
        index = 1
        while index < len(self.buses.buses):
            if index not in known:
                controller = Controller(
                    type="pci", index=index, model=self.buses.buses[index].model
                )
                self._dom.devices.controllers.append(controller)
                self.buses.reserve_next(self._connector.flags(controller))
            index += 1


def _models(dom: Domain, count: int) -> list[str]:
    """The model of each bus; one that the document only implies is as libvirt assumes."""
    given = {c.index or 0: c.model or "" for c in dom.devices.controllers if c.type == "pci"}
    if not count:
        return []
    if "" in given.values():
        raise InternalError("a PCI controller has no model", domain=ErrorDomain.DOMAIN)
    root = given.get(0, "pci-root")
    filler = "pcie-root-port" if root == "pcie-root" else "pci-bridge"
    return [root, *(given.get(index, filler) for index in range(1, count))]


def _slot_of_companions(dom: Domain, index: int) -> PciAddress | None:
    for controller in dom.devices.controllers:
        if (
            controller.type == "usb"
            and (controller.index or 0) == index
            and controller.model in _COMPANION_FUNCTIONS
        ):
            address = given_pci(controller)
            if address is not None:
                return address
    return None


def pci_devices(dom: Domain) -> Iterator[Device]:
    """All devices that may sit on PCI, in the order in which libvirt gives out addresses."""
    devices = dom.devices
    controllers = devices.controllers
    yield from (c for c in controllers if c.type == "pci" and c.model not in _ROOTS)
    yield from devices.filesystems
    given = [card for card in devices.interfaces if card.type == "hostdev"]  # the host's own
    yield from (card for card in devices.interfaces if card not in given)
    yield from devices.sounds
    yield from (c for c in controllers if c.type != "pci")
    yield from devices.disks
    yield from given
    yield from devices.hostdevs
    if devices.memballoon is not None:
        yield devices.memballoon
    yield from devices.rngs
    yield from devices.watchdogs
    yield from devices.videos
    yield from devices.shmems
    yield from devices.inputs
    yield from devices.serials
    yield from devices.vsocks
    yield from devices.memories
    yield from devices.iommus


def _in_document_order(dom: Domain) -> Iterator[Device]:
    """The same devices in the order in which libvirt looks at what is given."""
    devices = dom.devices
    yield from devices.disks
    yield from devices.interfaces
    yield from devices.sounds
    yield from devices.hostdevs
    yield from devices.videos
    yield from devices.controllers
    yield from devices.filesystems
    yield from devices.serials
    yield from devices.inputs
    yield from devices.watchdogs
    if devices.memballoon is not None:
        yield devices.memballoon
    yield from devices.rngs
    yield from devices.shmems
    yield from devices.memories
    yield from devices.iommus
    yield from devices.vsocks


def _mark_multifunction(dom: Domain) -> None:
    """Function 0 has to say that the slot has others."""
    functions: dict[tuple[int, int], int] = {}
    first: list[tuple[Device, PciAddress]] = []
    for device in pci_devices(dom):
        address = given_pci(device)
        if address is not None:
            place_ = (address.bus, address.slot)
            functions[place_] = functions.get(place_, 0) | 1 << address.function
            if address.function == 0:
                first.append((device, address))
    for device, address in first:
        if (
            device.address is not None
            and device.address.multifunction is None
            and functions[(address.bus, address.slot)] > 1
        ):
            device.address.multifunction = True


def _complete_controllers(dom: Domain) -> None:
    """Fills in QEMU's device, chassis and port of PCI controllers."""
    for controller in dom.devices.controllers:
        if is_pseries(dom) and controller.type == "pci" and controller.model == "pci-root":
            _complete_host_bridge(controller)
        if controller.type != "pci" or controller.model not in _DEVICE_NAMES:
            continue
        if controller.model_element.name is None:
            controller.model_element.name = _DEVICE_NAMES[controller.model]
        target = controller.target or ControllerTarget()
        address = given_pci(controller)
        if controller.model == "pci-bridge":
            if target.chassis_nr is None:
                target.chassis_nr = controller.index
        elif controller.model in ("pcie-root-port", "pcie-switch-downstream-port"):
            if target.chassis is None:
                target.chassis = controller.index
            if target.port is None and address is not None:
                root_port = controller.model == "pcie-root-port"
                target.port = (address.slot << 3) + address.function if root_port else address.slot
        elif controller.model in ("pci-expander-bus", "pcie-expander-bus"):
            if target.bus_nr is None:
                target.bus_nr = _expander_bus(dom)
        else:
            continue
        controller.target = target


def _complete_host_bridge(controller: Controller) -> None:
    """POWER's PCI host bridges are devices of their own, numbered like their buses."""
    if controller.model_element.name is None:
        controller.model_element.name = "spapr-pci-host-bridge"
    target = controller.target or ControllerTarget()
    if target.index is None:
        target.index = controller.index or 0
    controller.target = target


def _expander_bus(dom: Domain) -> int:
    """A bus number below those of other expanders, with room for what hangs on it."""
    lowest = min(
        (
            c.target.bus_nr
            for c in dom.devices.controllers
            if c.type == "pci" and c.target is not None and c.target.bus_nr is not None
        ),
        default=256,
    )
    return lowest - 2
