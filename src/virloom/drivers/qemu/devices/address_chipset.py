# SPDX-License-Identifier: Apache-2.0
"""The PCI slots of devices that are part of the chipset: Q35's ICH9 and I440FX's PIIX3.

QEMU makes these devices at fixed places whatever is asked, so the document has to say the same.
"""

from __future__ import annotations

from virloom.drivers.qemu.devices.address_flags import Connector
from virloom.drivers.qemu.devices.address_pci import PCI_DEVICE, PciAddress, PciAddressSet
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, XmlError
from virloom.model.domain import Address, Device, Domain, Video


def wants_pci(device: Device) -> bool:
    """Whether the device has no address yet, or a PCI one without bus and slot."""
    address = device.address
    if address is None or address.type in (None, "none"):
        return True
    return address.type == "pci" and not (address.domain or address.bus or address.slot)


def place(device: Device, address: PciAddress, multifunction: bool | None = None) -> None:
    """Gives the device that PCI address."""
    old = device.address
    if multifunction is None and old is not None and old.type in (None, "pci"):
        multifunction = old.multifunction
    device.address = Address(
        type="pci",
        domain=address.domain,
        bus=address.bus,
        slot=address.slot,
        function=address.function,
        multifunction=multifunction,
    )


def given_pci(device: Device) -> PciAddress | None:
    """The PCI address that the device has; None without one."""
    address = device.address
    if address is None or address.type != "pci":
        return None
    domain, bus, slot = address.domain or 0, address.bus or 0, address.slot or 0
    if not (domain or bus or slot):
        return None  # it is left to us
    return PciAddress(bus, slot, address.function or 0, domain)


def is_q35(machine: str | None) -> bool:
    """Whether the machine is of the Q35 family."""
    return machine is not None and (machine == "q35" or machine.startswith("pc-q35"))


def is_i440fx(machine: str | None) -> bool:
    """Whether the machine is of the I440FX family."""
    return machine is not None and (
        machine == "pc" or machine.startswith(("pc-0.", "pc-1.", "pc-i440fx"))
    )


def place_chipset(dom: Domain, buses: PciAddressSet, connector: Connector) -> None:
    """Fixes the addresses of what the chipset brings, and keeps its slots free of others.

    Raises:
        InternalError: The document has one of these devices elsewhere (libvirt's code for it).
        XmlError: It has another device in their place.
    """
    machine = dom.os.type.machine
    if is_q35(machine):
        _q35_controllers(dom, buses, connector)
        # LPC bridge and SMBus are in every Q35 machine, and in no document.
        for function in (0, 3):
            _keep(buses, PciAddress(0, 0x1F, function))
        _primary_video(dom, buses, connector, 1)
        _q35_sound(dom, buses, connector)
    elif is_i440fx(machine):
        _i440fx_controllers(dom)
        # ISA bridge and power management, likewise.
        for function in (0, 3):
            _keep(buses, PciAddress(0, 1, function))
        _primary_video(dom, buses, connector, 2)


def _keep(buses: PciAddressSet, address: PciAddress) -> None:
    if buses.buses:
        bus = buses.buses[address.bus]
        if bus.slots.get(address.slot, 0) & (1 << address.function):
            raise XmlError(
                f"PCI address {address} belongs to the chipset of this machine",
                domain=ErrorDomain.DOMAIN,
            )
        buses.reserve(address, bus.kind.flags & PCI_DEVICE or bus.kind.flags, chosen=True)


def _fix(device: Device, address: PciAddress, what: str) -> None:
    given = given_pci(device)
    if given is None:
        place(device, address)
    elif given != address:
        raise InternalError(
            f"{what} is at PCI address {address} on this machine, not at {given}",
            domain=ErrorDomain.DOMAIN,
        )


def _q35_controllers(dom: Domain, buses: PciAddressSet, connector: Connector) -> None:
    for controller in dom.devices.controllers:
        if controller.type == "sata" and not controller.index:
            _fix(controller, PciAddress(0, 0x1F, 2), "the first SATA controller")
        elif controller.type == "usb" and controller.model == "ich9-uhci1":
            # Where real hardware has its two USB 2 controllers, if that is free.
            if wants_pci(controller):
                for slot in (0x1D, 0x1A):
                    if not buses.in_use(0, slot):
                        address = PciAddress(0, slot)
                        buses.reserve(address, connector.flags(controller), chosen=True)
                        place(controller, address, multifunction=True)
                        break
        elif (
            controller.type == "pci"
            and controller.model == "dmi-to-pci-bridge"
            and wants_pci(controller)
            and not buses.in_use(0, 0x1E)
        ):
            address = PciAddress(0, 0x1E)
            buses.reserve(address, connector.flags(controller), chosen=True)
            place(controller, address)


def _q35_sound(dom: Domain, buses: PciAddressSet, connector: Connector) -> None:
    for sound in dom.devices.sounds:
        if sound.model == "ich9" and wants_pci(sound) and not buses.in_use(0, 0x1B):
            address = PciAddress(0, 0x1B)
            buses.reserve(address, connector.flags(sound), chosen=True)
            place(sound, address)


def _i440fx_controllers(dom: Domain) -> None:
    for controller in dom.devices.controllers:
        if controller.index:
            continue
        if controller.type == "ide":
            _fix(controller, PciAddress(0, 1, 1), "the IDE controller")
        elif controller.type == "usb" and controller.model in (None, "piix3-uhci"):
            _fix(controller, PciAddress(0, 1, 2), "the chipset's USB controller")


def _primary_video(dom: Domain, buses: PciAddressSet, connector: Connector, slot: int) -> None:
    videos = dom.devices.videos
    if not videos or not connector.flags(videos[0]):
        return
    video: Video = videos[0]
    if not wants_pci(video):
        return
    flags = connector.flags(video)
    if buses.in_use(0, slot):
        elsewhere = buses.reserve_next(flags)
        # While rehearsing, libvirt 9 counts such a card again with all other devices.
        if not buses.grows:
            place(video, elsewhere)
        return
    address = PciAddress(0, slot)
    buses.reserve(address, flags, chosen=True)
    place(video, address)
