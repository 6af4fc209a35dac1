# SPDX-License-Identifier: Apache-2.0
"""Ports of virtio-serial and USB controllers, and virtio-mmio for machines without PCI."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.drivers.qemu.devices.controllers import ensure_controller
from virloom.drivers.qemu.devices.describe import all_devices
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlError
from virloom.model.domain import Address, Controller, Device, Domain, Hub

_DEFAULT_SERIAL_PORTS = 31
_DEFAULT_XHCI_PORTS = 4
_HUB_PORTS = 8
_UHCI_PORTS = 2
_EHCI_PORTS = 6


def assign_virtio_serial(dom: Domain) -> None:
    """Ports of virtio channels; QEMU chooses those of consoles, as libvirt 9 leaves it.

    Raises:
        XmlError: A port is used twice, or its controller does not exist.
    """
    devices = dom.devices
    ports: dict[int, set[int]] = {}
    room: dict[int, int] = {}
    for controller in devices.controllers:
        if controller.type == "virtio-serial":
            ports[controller.index or 0] = set()
            count = controller.ports
            room[controller.index or 0] = _DEFAULT_SERIAL_PORTS if count is None else count
    consoles: list[Device] = [c for c in devices.consoles if c.target.type == "virtio"]
    channels: list[Device] = [c for c in devices.channels if c.target.type == "virtio"]
    for device in (*consoles, *channels):
        address = device.address
        if address is not None and address.type == "virtio-serial" and address.port:
            _take_serial_port(ports, room, address)
        elif address is not None and address.type == "virtio-serial" and device in consoles:
            # libvirt 9 takes the port that is asked for, and by mistake the next one as well.
            ports.get(address.controller or 0, set()).update((0, 1))
    for device in all_devices(dom):
        address = device.address
        if device in consoles or device in channels or address is None:
            continue
        if address.type == "virtio-serial" and address.port:
            # libvirt reserves a port for whatever says that it has one.
            _take_serial_port(ports, room, address)
    for channel in channels:
        if _needs_serial_port(channel):
            _next_serial_port(dom, channel, ports, room)


def _needs_serial_port(device: Device) -> bool:
    address = device.address
    if address is None or address.type != "virtio-serial":
        # An address of another kind is replaced.
        return True
    # Port 0 stands for "any": libvirt cannot tell it from one that is not given.
    return not address.port


def _take_serial_port(ports: dict[int, set[int]], room: dict[int, int], address: Address) -> None:
    controller = address.controller or 0
    port = int(address.port or 0)
    if controller not in ports:
        raise XmlError(
            f"virtio serial controller {controller} does not exist", domain=ErrorDomain.DOMAIN
        )
    if port >= room[controller]:
        raise XmlError(
            f"virtio serial controller {controller} has no port {port}: it has {room[controller]}",
            domain=ErrorDomain.DOMAIN,
        )
    if port in ports[controller]:
        raise XmlError(
            f"virtio serial port {port} of controller {controller} is used by two devices",
            domain=ErrorDomain.DOMAIN,
        )
    ports[controller].add(port)


def _next_serial_port(
    dom: Domain, device: Device, ports: dict[int, set[int]], room: dict[int, int]
) -> None:
    wanted = device.address
    only = wanted.controller if wanted is not None and wanted.type == "virtio-serial" else None
    for controller in sorted(ports) if only is None else [only]:
        # Port 0 is for the guest's console.
        for port in range(1, room.get(controller, 0)):
            if port not in ports.get(controller, set()):
                ports[controller].add(port)
                device.address = Address(
                    type="virtio-serial", controller=controller, bus=0, port=port
                )
                return
    index = max(ports, default=-1) + 1
    ensure_controller(dom, "virtio-serial", index)
    ports[index], room[index] = {1}, _DEFAULT_SERIAL_PORTS
    device.address = Address(type="virtio-serial", controller=index, bus=0, port=1)


def assign_usb(dom: Domain) -> None:
    """Ports of USB devices, hubs first; a hub is added when the controllers are full.

    Raises:
        XmlError: A port is used twice or does not exist.
    """
    free = _UsbPorts(dom)
    waiting = []
    for device in _usb_devices(dom):
        address = device.address
        if address is not None and address.type == "usb" and address.port is not None:
            free.take(address.bus or 0, str(address.port), device)
        else:
            waiting.append(device)
    if waiting:
        free.make_room(waiting)
    for device in waiting:
        bus, port = free.next(device.address)
        device.address = Address(type="usb", bus=bus, port=port)
        if isinstance(device, Hub):
            free.add_hub(bus, port)


def _usb_devices(dom: Domain) -> Iterator[Device]:
    devices = dom.devices
    yield from devices.hubs
    yield from (d for d in devices.hostdevs if d.type == "usb")
    yield from (d for d in devices.disks if d.target.bus == "usb")
    yield from (c for c in devices.controllers if c.type == "ccid")
    yield from (d for d in devices.inputs if d.bus == "usb")
    yield from (d for d in devices.serials if d.target.type == "usb-serial")
    yield from (d for d in devices.sounds if d.model == "usb")
    yield from devices.redirdevs
    yield from (d for d in devices.interfaces if d.model.type == "usb-net")


class _UsbPorts:
    """The free ports of each USB bus, as paths: ``1``, ``1.2``."""

    def __init__(self, dom: Domain) -> None:
        self._dom = dom
        self._free: dict[int, list[str]] = {}
        for controller in dom.devices.controllers:
            if controller.type == "usb" and controller.master is None:
                count = usb_ports(controller)
                if count:
                    self._free[controller.index or 0] = [str(n) for n in range(1, count + 1)]

    def take(self, bus: int, port: str, device: Device) -> None:
        ports = self._free.get(bus)
        if ports is None:
            raise XmlError(f"USB bus {bus} does not exist", domain=ErrorDomain.DOMAIN)
        if port not in ports:
            raise XmlError(
                f"port {port} of USB bus {bus} does not exist or is used by two devices",
                domain=ErrorDomain.DOMAIN,
            )
        ports.remove(port)
        if isinstance(device, Hub):
            self.add_hub(bus, port)

    def add_hub(self, bus: int, port: str) -> None:
        ports = self._free[bus]
        ports += [f"{port}.{number}" for number in range(1, _HUB_PORTS + 1)]
        ports.sort(key=lambda path: [path.count("."), *map(int, path.split("."))])

    def make_room(self, waiting: list[Device]) -> None:
        """Adds hubs, ahead of the others, until everything finds a port.

        Raises:
            ConfigUnsupported: The machine has no USB, and the document adds none.
        """
        if not self._free:
            raise ConfigUnsupported(
                "this guest has USB devices and no USB controller",
                domain=ErrorDomain.QEMU,
                remedy="<controller type='usb' model='qemu-xhci'/>",
            )
        hubs = sum(isinstance(device, Hub) for device in waiting)
        room = sum(map(len, self._free.values())) + hubs * _HUB_PORTS
        while self._free and room < len(waiting):
            hub = Hub(type="usb")
            self._dom.devices.hubs.append(hub)
            waiting.insert(hubs, hub)
            hubs += 1
            room += _HUB_PORTS

    def next(self, wanted: Address | None) -> tuple[int, str]:
        only = wanted.bus if wanted is not None and wanted.type == "usb" else None
        for bus in sorted(self._free) if only is None else [only]:
            ports = self._free.get(bus)
            if ports:
                return bus, ports.pop(0)
        raise XmlError("no USB port is left for a device", domain=ErrorDomain.DOMAIN)


def usb_ports(controller: Controller) -> int:
    """How many ports a USB controller of that model has by default (QEMU's numbers)."""
    model = controller.model or ""
    if model == "none":
        return 0
    if model in ("nec-xhci", "qemu-xhci"):
        return controller.ports or _DEFAULT_XHCI_PORTS
    if model in ("ehci", "ich9-ehci1"):
        return _EHCI_PORTS
    return 3 if model == "pci-ohci" else _UHCI_PORTS


def assign_mmio(dom: Domain) -> None:
    """virtio-mmio for every virtio device without an address: the machine has no PCI.

    libvirt 9 leaves this to the document; with these addresses it takes and starts it too.
    """
    for device in _virtio_devices(dom):
        address = device.address
        if address is None or address.type in (None, "none"):
            device.address = Address(type="virtio-mmio")


def _virtio_devices(dom: Domain) -> Iterator[Device]:
    devices = dom.devices
    yield from (d for d in devices.disks if d.target.bus == "virtio")
    yield from (
        c
        for c in devices.controllers
        if c.type == "virtio-serial" or (c.type == "scsi" and c.model == "virtio-scsi")
    )
    yield from (d for d in devices.interfaces if (d.model.type or "").startswith("virtio"))
    yield from (d for d in devices.inputs if d.bus == "virtio")
    if devices.memballoon is not None and devices.memballoon.model != "none":
        yield devices.memballoon
    yield from devices.rngs
    yield from devices.vsocks
