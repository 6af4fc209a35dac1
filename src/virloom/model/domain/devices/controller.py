# SPDX-License-Identifier: Apache-2.0
"""``<controller>``: buses that other devices sit on."""

from __future__ import annotations

from virloom.model.domain.devices.device import MASTER, Device, VirtioOptions
from virloom.model.units import KIBIBYTES
from virloom.xml.element import Element
from virloom.xml.fields import ONCE, attribute, child, group, leaf
from virloom.xml.kinds import (
    INT,
    ON_OFF,
    STRING,
    UINT,
    UINT_ANY_BASE,
    UINT_OWNED,
    choice,
    hexadecimal,
)


class ControllerDriver(VirtioOptions):
    """``<driver queues='4' cmd_per_lun='…' max_sectors='…' ioeventfd='on' iothread='1'/>``."""

    queues: int | None = attribute(UINT)
    cmd_per_lun: int | None = attribute(UINT)
    max_sectors: int | None = attribute(UINT)
    ioeventfd: bool | None = attribute(ON_OFF)
    iothread: int | None = attribute(UINT)


MODEL_NAMES = (
    "none",
    "pci-bridge",
    "i82801b11-bridge",
    "ioh3420",
    "x3130-upstream",
    "xio3130-downstream",
    "pxb",
    "pxb-pcie",
    "pcie-root-port",
    "spapr-pci-host-bridge",
    "pcie-pci-bridge",
)


class ControllerModel(Element):
    """``<model name='pcie-root-port'/>``: which device of QEMU plays the PCI controller."""

    name: str | None = attribute(choice(*MODEL_NAMES))


class ControllerTarget(Element):
    """``<target chassis='1' port='0x8'/>`` of a PCI controller."""

    chassis_nr: int | None = attribute(UINT_ANY_BASE, "chassisNr")
    chassis: int | None = attribute(UINT_ANY_BASE)
    port: int | None = attribute(hexadecimal(1))
    bus_nr: int | None = attribute(UINT_ANY_BASE, "busNr")
    index: int | None = attribute(INT)
    hotplug: bool | None = attribute(ON_OFF)
    node: int | None = leaf(UINT_OWNED)


class ControllerMaster(Element):
    """``<master startport='2'/>``: the port of the EHCI controller that a companion serves."""

    startport: int | None = attribute(UINT)


class Controller(Device):
    """``<controller type='pci' index='1' model='pcie-root-port'>``."""

    tag = "controller"
    schema_path = "domain/devices/controller"

    type: str | None = attribute(
        choice("ide", "fdc", "scsi", "sata", "virtio-serial", "ccid", "usb", "pci", "xenbus", "isa")
    )
    index: int | None = attribute(UINT)
    model: str | None = attribute(STRING)
    ports: int | None = attribute(UINT)
    vectors: int | None = attribute(UINT)
    max_grant_frames: int | None = attribute(INT, "maxGrantFrames")
    max_event_channels: int | None = attribute(INT, "maxEventChannels")
    model_element: ControllerModel = group(ControllerModel, "model", once=ONCE)
    target: ControllerTarget | None = child(ControllerTarget, once=ONCE)
    driver: ControllerDriver = group(ControllerDriver)
    pcihole64: int | None = leaf(KIBIBYTES)
    master: ControllerMaster | None = child(ControllerMaster, order=MASTER)
