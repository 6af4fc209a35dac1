# SPDX-License-Identifier: Apache-2.0
"""Defaults that the golden definitions cannot show: random ones, and microvm's own."""

from __future__ import annotations

import re
import uuid

import pytest

from virloom.drivers.qemu.capabilities.binary import BinaryCaps, Machine
from virloom.drivers.qemu.definition import prepare_definition
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain
from virloom.xml import parse_document

Q35 = Machine("pc-q35-7.2", "q35", cpu_max=288, default_cpu="qemu64-x86_64-cpu")
PC = Machine("pc-i440fx-7.2", "pc", default=True, cpu_max=255, default_cpu="qemu64-x86_64-cpu")
MICROVM = Machine("microvm", cpu_max=288, default_cpu="qemu64-x86_64-cpu")


def caps(*machines: Machine, devices: list[str] | None = None) -> BinaryCaps:
    return BinaryCaps(
        path="/opt/qemu",
        version=(7, 2, 0),
        arch="x86_64",
        machines=machines or (Q35, PC, MICROVM),
        devices=devices,
    )


def prepared(devices: str, machine: str = "", known: BinaryCaps | None = None) -> Domain:
    named = f" machine='{machine}'" if machine else ""
    dom = parse_document(
        Domain,
        f"<domain type='qemu'><name>g</name><memory>65536</memory>"
        f"<os><type{named}>hvm</type></os><devices>{devices}</devices></domain>",
    )
    prepare_definition(dom, known or caps())
    return dom


def test_machine_emulator_and_architecture_are_qemus() -> None:
    dom = prepared("")
    assert dom.os.type.machine == "pc-i440fx-7.2"
    assert dom.os.type.arch == "x86_64"
    assert dom.devices.emulator == "/opt/qemu"


def test_a_qemu_without_a_default_machine_asks_for_one() -> None:
    with pytest.raises(ConfigUnsupported, match="no default machine"):
        prepared("", known=caps(Q35))


def test_an_unknown_machine_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigUnsupported, match=r"'q36'.*pc, q35, microvm"):
        prepared("", "q36")


def test_uuid_and_mac_are_made_once_and_differ() -> None:
    first, second = prepared("<interface type='user'/>"), prepared("<interface type='user'/>")
    assert first.uuid != second.uuid
    assert uuid.UUID(first.uuid).version == 4
    macs = [dom.devices.interfaces[0].mac.address or "" for dom in (first, second)]
    assert macs[0] != macs[1]
    assert re.fullmatch(r"52:54:00(:[0-9a-f]{2}){3}", macs[0])
    before = (first.uuid, macs[0])
    prepare_definition(first, caps())
    assert (first.uuid, first.devices.interfaces[0].mac.address) == before


def test_a_plain_microvm_has_nothing_that_needs_pci() -> None:
    dom = prepared(
        "<disk type='file'><source file='/a'/><target dev='vda'/></disk><interface type='user'/>"
        "<channel type='pty'><target type='virtio' name='x'/></channel><console type='pty'/>",
        "microvm",
    )
    devices = dom.devices
    assert [(c.type, c.model) for c in devices.controllers] == [
        ("usb", "none"),
        ("virtio-serial", None),
    ]
    placed = (devices.disks[0], devices.interfaces[0], devices.controllers[1])
    assert {d.address.type for d in placed if d.address is not None} == {"virtio-mmio"}
    assert devices.interfaces[0].model.type == "virtio"
    assert devices.memballoon is not None
    assert devices.memballoon.model == "none"
    assert not devices.videos
    assert [s.target.type for s in devices.serials] == ["isa-serial"]


def test_devices_that_qemu_lacks_are_not_chosen() -> None:
    known = caps(devices=["VGA", "virtio-scsi-pci"])
    dom = prepared(
        "<interface type='user'/><video/>"
        "<disk type='file'><source file='/a'/><target dev='sda' bus='scsi'/></disk>"
        "<controller type='usb' model='none'/>",
        "q35",
        known,
    )
    assert dom.devices.interfaces[0].model.type == "virtio"
    assert dom.devices.videos[0].model.type == "vga"
    scsi = [c.model for c in dom.devices.controllers if c.type == "scsi"]
    assert scsi == ["virtio-scsi"]
