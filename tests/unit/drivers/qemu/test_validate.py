# SPDX-License-Identifier: Apache-2.0
"""What a start refuses, and what the refusals say; define-time codes are golden cases."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.capabilities.binary import (
    BinaryCaps,
    CpuModel,
    FactsMissing,
    Machine,
    Parts,
)
from virloom.drivers.qemu.definition import prepare_definition
from virloom.drivers.qemu.validate import needed_facts, validate_start
from virloom.drivers.qemu.validate.devices import check_cards_start
from virloom.drivers.qemu.validate.served import check_served
from virloom.errors import ConfigUnsupported, InternalError, VirloomError, XmlError
from virloom.model.domain import Domain
from virloom.xml import parse_document

MACHINES = (Machine("pc-q35-7.2", "q35", cpu_max=288, default_cpu="qemu64-x86_64-cpu"),)
MODELS = (CpuModel("qemu64"), CpuModel("Nehalem"))


def caps(models: bool = True, devices: list[str] | None = None) -> BinaryCaps:
    return BinaryCaps(
        path="/opt/qemu",
        version=(7, 2, 0),
        arch="x86_64",
        machines=MACHINES,
        cpu_models=MODELS if models else None,
        devices=devices,
    )


def prepared(devices: str = "", extra: str = "") -> Domain:
    dom = parse_document(
        Domain,
        "<domain type='qemu'><name>g</name><memory>65536</memory>"
        f"<os><type machine='q35'>hvm</type></os>{extra}<devices>{devices}</devices></domain>",
    )
    prepare_definition(dom, caps())
    return dom


def test_a_plain_guest_starts_and_needs_no_list() -> None:
    dom = prepared("<interface type='user'/><graphics type='vnc'/>")
    assert needed_facts(dom) is Parts.BASE
    validate_start(dom, caps(models=False))


@pytest.mark.parametrize(
    ("devices", "path"),
    [
        (
            "<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/><model type='virtio'/>"
            "</interface>",
            "interface[1]/@type='vdpa'",
        ),
        (
            "<disk><source file='/a'/><target dev='vda'/><transient/></disk>",
            "disk[1]/transient",
        ),
        (
            "<serial type='nmdm'><source master='/a' slave='/b'/></serial>",
            "serial[1]/@type='nmdm'",
        ),
        (
            "<interface type='user'><bandwidth><inbound average='1'/></bandwidth></interface>",
            "interface[1]/bandwidth",
        ),
        ("<graphics type='dbus'/>", "graphics[1] of type 'dbus'"),
    ],
)
def test_what_nobody_here_serves_is_named_by_its_path(devices: str, path: str) -> None:
    dom = prepared(devices)
    validate_start(dom, caps())
    with pytest.raises(ConfigUnsupported) as caught:
        check_served(dom)
    assert f"domain/devices/{path}" in caught.value.detail


def test_host_passthrough_needs_kvm() -> None:
    dom = prepared(extra="<cpu mode='host-passthrough'/>")
    with pytest.raises(ConfigUnsupported, match=r"host-passthrough.*KVM"):
        validate_start(dom, caps())


def test_an_unknown_cpu_is_refused_with_those_there_are() -> None:
    dom = prepared(extra="<cpu><model>Nonesuch</model></cpu>")
    assert needed_facts(dom) == Parts.BASE | Parts.CPU_MODELS
    with pytest.raises(InternalError, match=r"Unknown CPU model Nonesuch.*Nehalem, qemu64"):
        validate_start(dom, caps())
    with pytest.raises(FactsMissing):
        validate_start(dom, caps(models=False))


def test_an_unknown_network_card_is_refused_with_those_there_are() -> None:
    dom = prepared("<interface type='user'><model type='tulip9'/></interface>")
    assert Parts.DEVICES in needed_facts(dom)
    with pytest.raises(ConfigUnsupported, match=r"'tulip9'.*e1000, pcnet"):
        check_cards_start(dom, caps(devices=["e1000", "pcnet"]))


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ("<graphics type='vnc'/><graphics type='vnc'/>", "at most one"),
        ("<graphics type='vnc' port='80'/>", "5900 to 65535"),
        ("<graphics type='vnc'><listen type='none'/><listen type='none'/></graphics>", "one"),
        ("<graphics type='vnc'><listen type='network' network='n'/></graphics>", "network"),
    ],
)
def test_displays_that_cannot_be(devices: str, said: str) -> None:
    dom = prepared(devices)
    with pytest.raises(ConfigUnsupported, match=said):
        validate_start(dom, caps())


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        (
            "<disk type='file'><source file='/a'/><target dev='vda'/></disk>"
            "<disk type='file'><source file='/b'/><target dev='vda'/></disk>",
            "'vda': '/a' and '/b'",
        ),
        (
            "<disk type='file'><source file='/a'/><target dev='sda' bus='sata'/>"
            "<address type='drive' unit='1'/></disk>"
            "<disk type='file'><source file='/b'/><target dev='sdb' bus='sata'/></disk>",
            "'sda' and 'sdb'",
        ),
        ("<disk type='file'><source file='/a'/><target dev='hda' bus='ide'/></disk>", "sata"),
        ("<controller type='usb' model='uhci9'/>", "qemu-xhci"),
        ("<console type='pty'><target type='hvc'/></console>", "virtio"),
    ],
)
def test_refusals_say_what_was_found_and_what_exists(devices: str, said: str) -> None:
    with pytest.raises(VirloomError, match=said):
        prepared(devices)


@pytest.mark.parametrize("memory", ["", "<memory>0</memory>"])
def test_a_guest_has_memory(memory: str) -> None:
    dom = parse_document(
        Domain, f"<domain type='qemu'><name>g</name>{memory}<os><type>hvm</type></os></domain>"
    )
    with pytest.raises(XmlError, match="'g' has no memory"):
        prepare_definition(dom, caps())
