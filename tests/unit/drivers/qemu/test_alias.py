# SPDX-License-Identifier: Apache-2.0
"""Names of devices in a run: libvirt's, with those of the user kept."""

from __future__ import annotations

from virloom.drivers.qemu.devices.alias import (
    assign_aliases,
    controller_alias,
    disk_alias,
    forget_aliases,
)
from virloom.model.domain import Controller, Domain
from virloom.xml import parse_document

DEVICES = """
<disk type='file'><source file='/a'/><target dev='vdc' bus='virtio'/></disk>
<disk type='file'><source file='/b'/><target dev='sdb' bus='sata'/>
  <address type='drive' controller='0' bus='0' target='0' unit='1'/></disk>
<disk type='file'><source file='/c'/><target dev='sdc' bus='scsi'/>
  <address type='drive' controller='1' bus='0' target='2' unit='3'/></disk>
<disk type='file'><source file='/d'/><target dev='sdd' bus='usb'/></disk>
<interface type='user'><alias name='ua-lan'/></interface>
<interface type='user'/>
<interface type='user'/>
<serial type='pty'/><serial type='null'/>
<console type='pty'><target type='serial'/></console>
<console type='pty'><target type='virtio'/></console>
<channel type='pty'><target type='virtio'/></channel>
<input type='mouse' bus='ps2'/><video/><memballoon model='virtio'/>
<rng model='virtio'/><panic model='isa'/><watchdog model='ib700'/><hub type='usb'/>
"""


def domain(devices: str, machine: str = "pc-q35-7.2") -> Domain:
    return parse_document(
        Domain,
        f"<domain type='qemu'><name>g</name><os><type arch='x86_64' machine='{machine}'>hvm</type>"
        f"</os><devices>{devices}</devices></domain>",
    )


def names(devices: list[object]) -> list[str]:
    return [device.alias.name for device in devices]  # type: ignore[attr-defined]  # any device


def test_every_device_has_libvirts_name() -> None:
    dom = domain(DEVICES)
    assign_aliases(dom)
    devices = dom.devices
    assert names([*devices.disks]) == ["virtio-disk2", "sata0-0-1", "scsi1-0-2-3", "usb-disk3"]
    assert names([*devices.interfaces]) == ["ua-lan", "net0", "net1"]
    assert names([*devices.serials]) == ["serial0", "serial1"]
    assert names([*devices.consoles]) == ["serial0", "console1"]
    assert names([*devices.channels, *devices.inputs, *devices.videos]) == [
        "channel0",
        "input0",
        "video0",
    ]
    assert devices.memballoon is not None
    rest = [devices.memballoon, *devices.rngs, *devices.panics, *devices.watchdogs, *devices.hubs]
    assert names([*rest]) == ["balloon0", "rng0", "panic0", "watchdog0", "hub0"]


def test_names_that_are_there_stay() -> None:
    dom = domain(DEVICES)
    assign_aliases(dom)
    dom.devices.interfaces.pop(1)
    assign_aliases(dom)
    assert names([*dom.devices.interfaces]) == ["ua-lan", "net1"]


def test_names_of_another_run_are_forgotten() -> None:
    dom = domain(
        "<rng model='virtio'><backend model='random'/><alias name='net0'/></rng>"
        "<rng model='virtio'><backend model='random'/><alias name='ua-mine'/></rng>"
        "<rng model='virtio'><backend model='random'/><alias name='net0'/></rng>"
        "<console type='pty'><alias name='serial7'/></console>"
    )
    forget_aliases(dom)
    assert dom.devices.consoles[0].alias is None
    assign_aliases(dom)
    assert names([*dom.devices.rngs]) == ["rng0", "ua-mine", "rng1"]


def test_no_name_for_a_balloon_that_is_not_there() -> None:
    dom = domain("<memballoon model='none'/>")
    assign_aliases(dom)
    assert dom.devices.memballoon is not None
    assert dom.devices.memballoon.alias is None


def test_controllers_that_the_machine_brings_have_qemus_names() -> None:
    q35, pc = domain(""), domain("", "pc-i440fx-7.2")
    sata, ide = Controller(type="sata", index=0), Controller(type="ide", index=0)
    root, port = Controller(type="pci", index=0, model="pcie-root"), Controller(type="pci", index=3)
    usb, second = Controller(type="usb", index=0), Controller(type="usb", index=1)
    assert controller_alias(q35, sata) == "ide"
    assert controller_alias(pc, sata) == "sata0"
    assert controller_alias(pc, ide) == "ide"
    assert controller_alias(q35, root) == "pcie.0"
    assert controller_alias(q35, port) == "pci.3"
    assert [controller_alias(q35, c) for c in (usb, second)] == ["usb", "usb1"]


def test_a_disk_is_named_by_its_target_not_by_its_place_in_the_document() -> None:
    dom = domain("<disk type='file'><target dev='vdz' bus='virtio'/></disk>")
    assert disk_alias(dom, dom.devices.disks[0]) == "virtio-disk25"
