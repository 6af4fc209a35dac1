# SPDX-License-Identifier: Apache-2.0
"""PCI buses, USB and virtio-serial ports, and names of disks."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.capabilities.binary import BinaryCaps, Machine
from virloom.drivers.qemu.devices.address import assign_addresses
from virloom.drivers.qemu.devices.address_pci import (
    AGGREGATE,
    HOTPLUG,
    PCI_DEVICE,
    PCIE_DEVICE,
    PCIE_ROOT_PORT,
    PciAddress,
    PciAddressSet,
)
from virloom.drivers.qemu.devices.controllers import ensure_controller, insert_controller
from virloom.drivers.qemu.devices.targets import disk_index
from virloom.errors import InternalError, XmlError
from virloom.model.domain import Controller, Domain
from virloom.xml import parse_document

CAPS = BinaryCaps(
    path="/usr/bin/qemu-system-x86_64",
    version=(7, 2, 0),
    arch="x86_64",
    machines=[Machine("pc-q35-7.2", "q35"), Machine("microvm")],
)


def domain(devices: str, machine: str = "pc-q35-7.2") -> Domain:
    return parse_document(
        Domain,
        f"<domain type='qemu'><name>g</name><os><type machine='{machine}'>hvm</type></os>"
        f"<devices>{devices}</devices></domain>",
    )


def test_root_ports_share_slots_by_function() -> None:
    buses = PciAddressSet(["pcie-root"], grows=False)
    flags = PCIE_ROOT_PORT | AGGREGATE
    taken = [buses.reserve_next(flags) for _ in range(9)]
    assert [str(address) for address in taken[:2]] == ["0000:00:01.0", "0000:00:01.1"]
    assert str(taken[8]) == "0000:00:02.0"


def test_another_device_does_not_join_a_slot() -> None:
    buses = PciAddressSet(["pci-root"], grows=False)
    buses.reserve(PciAddress(0, 1, 1), PCI_DEVICE, chosen=True)
    assert buses.reserve_next(PCI_DEVICE | HOTPLUG) == PciAddress(0, 2, 0)


def test_a_bus_is_added_only_while_rehearsing() -> None:
    full = PciAddressSet(["pcie-root"], grows=False)
    with pytest.raises(XmlError):
        full.reserve_next(PCIE_DEVICE | HOTPLUG)
    growing = PciAddressSet(["pcie-root"], grows=True)
    assert growing.reserve_next(PCIE_DEVICE | HOTPLUG) == PciAddress(1, 0)
    assert [bus.model for bus in growing.buses] == ["pcie-root", "pcie-root-port"]


def test_a_bridge_brings_a_port_that_nothing_else_gets() -> None:
    buses = PciAddressSet(["pcie-root"], grows=True)
    assert buses.reserve_next(PCI_DEVICE | HOTPLUG) == PciAddress(2, 1)
    assert buses.reserve_next(PCIE_DEVICE | HOTPLUG) == PciAddress(3, 0)
    assert [bus.model for bus in buses.buses[1:]] == [
        "pcie-root-port",
        "pcie-to-pci-bridge",
        "pcie-root-port",
    ]


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        (PciAddress(0, 2, 0, domain=1), "domain"),
        (PciAddress(4, 2), "buses up to 1"),
        (PciAddress(1, 1), "slots"),
        (PciAddress(0, 3, 8), "functions"),
    ],
)
def test_a_chosen_address_that_does_not_exist(address: PciAddress, wrong: str) -> None:
    buses = PciAddressSet(["pcie-root", "pcie-root-port"], grows=False)
    with pytest.raises(XmlError, match=wrong):
        buses.reserve(address, PCIE_DEVICE, chosen=True)


def test_an_address_is_used_once_and_the_error_says_which() -> None:
    buses = PciAddressSet(["pci-root"], grows=False)
    buses.reserve(PciAddress(0, 5), PCI_DEVICE, chosen=True)
    with pytest.raises(XmlError, match=r"0000:00:05\.0"):
        buses.reserve(PciAddress(0, 5), PCI_DEVICE, chosen=True)
    with pytest.raises(InternalError):
        buses.reserve(PciAddress(0, 5), PCI_DEVICE, chosen=False)


def test_what_is_chosen_may_be_pci_on_pcie() -> None:
    buses = PciAddressSet(["pcie-root"], grows=False)
    buses.reserve(PciAddress(0, 5), PCI_DEVICE | HOTPLUG, chosen=True)
    with pytest.raises(InternalError):
        buses.reserve(PciAddress(0, 6), PCI_DEVICE | HOTPLUG, chosen=False)


def test_microvm_gets_mmio_and_keeps_what_is_given() -> None:
    dom = domain(
        "<disk type='file'><target dev='vda' bus='virtio'/></disk>"
        "<interface type='user'><model type='virtio'/><address type='virtio-mmio'/></interface>"
        "<rng model='virtio'/><memballoon model='none'/>",
        "microvm",
    )
    assign_addresses(dom, CAPS)
    devices = dom.devices
    kinds = [d.address and d.address.type for d in (*devices.disks, *devices.rngs)]
    assert kinds == ["virtio-mmio", "virtio-mmio"]
    assert devices.memballoon is not None
    assert devices.memballoon.address is None


def test_microvm_says_which_device_cannot_be() -> None:
    dom = domain("<interface type='user'><model type='e1000'/></interface>", "microvm")
    with pytest.raises(XmlError, match=r"interface 1 \(e1000\).*virtio-mmio"):
        assign_addresses(dom, CAPS)


def test_usb_devices_beyond_the_ports_get_a_hub() -> None:
    dom = domain(
        "<controller type='pci' index='0' model='pcie-root'/>"
        "<controller type='usb' index='0' model='qemu-xhci'/>"
        + "<input type='tablet' bus='usb'/>"
        * 5
    )
    assign_addresses(dom, CAPS)
    assert len(dom.devices.hubs) == 1
    ports = [d.address.port for d in dom.devices.inputs if d.address is not None]
    assert ports == ["2", "3", "4", "1.1", "1.2"]


def test_channels_leave_port_0_and_taken_ones_alone() -> None:
    channel = "<channel type='pty'><target type='virtio'/>{}</channel>"
    given = "<address type='virtio-serial' controller='0' bus='0' port='1'/>"
    dom = domain(
        "<controller type='pci' index='0' model='pcie-root'/>"
        "<controller type='virtio-serial' index='0' ports='3'/>"
        + channel.format("")
        + channel.format(given)
        + channel.format("")
    )
    assign_addresses(dom, CAPS)
    places = [(c.address.controller, c.address.port) for c in dom.devices.channels if c.address]
    assert places == [(0, 2), (0, 1), (1, 1)]


def test_controllers_are_sorted_by_index_and_added_ones_are_last() -> None:
    dom = domain("")
    for index in (2, 0, 1):
        insert_controller(dom, Controller(type="sata", index=index))
    ensure_controller(dom, "usb", 0)
    ensure_controller(dom, "sata", 3)
    ensure_controller(dom, "sata", 1)
    shown = [(c.type, c.index) for c in dom.devices.controllers]
    assert shown == [("sata", 0), ("sata", 1), ("sata", 2), ("usb", 0), ("sata", 3)]


@pytest.mark.parametrize(
    ("name", "number"),
    [("vda", 0), ("sdz", 25), ("vdaa", 26), ("xvdb", 1), ("hda1", 0), ("vd", -1), ("foo", -1)],
)
def test_a_disks_name_tells_a_number(name: str, number: int) -> None:
    assert disk_index(name) == number
