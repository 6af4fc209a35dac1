# SPDX-License-Identifier: Apache-2.0
"""Writing documents: layout, escaping, and what each flag shows."""

from __future__ import annotations

import itertools

import pytest

from virloom.model.domain import (
    Alias,
    Channel,
    Console,
    Controller,
    Cpu,
    Disk,
    Domain,
    Graphics,
    Input,
    Interface,
    Serial,
)
from virloom.xml import FormatFlags, Node, format_document, parse_document
from virloom.xml.element import Element
from virloom.xml.escape import escape
from virloom.xml.fields import attribute, flag
from virloom.xml.kinds import UINT, YES_NO


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain é €", "plain é €"),
        ("<a & 'b' \"c\">", "&lt;a &amp; &apos;b&apos; &quot;c&quot;&gt;"),
        ("a\x01\x1fb\tc\nd\re", "ab\tc\nd\re"),
        ("\x7f\x80", "\x7f\x80"),
    ],
)
def test_escaping_is_libvirts(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_an_empty_group_is_not_written_and_an_empty_child_is() -> None:
    disk = Disk(type="file")
    assert disk.driver.cache is None
    assert disk.source.file is None
    assert format_document(disk) == "<disk type='file'/>\n"
    disk.alias = Alias()
    assert format_document(disk) == "<disk type='file'>\n  <alias/>\n</disk>\n"


def test_layout_of_a_part_may_be_indented() -> None:
    disk = Disk(type="file")
    disk.target.dev = "vda"
    assert format_document(disk, indent="    ").splitlines() == [
        "    <disk type='file'>",
        "      <target dev='vda'/>",
        "    </disk>",
    ]


def _running() -> Domain:
    dom = Domain(type="qemu", id=3, name="a")
    dom.devices.disks = [Disk(alias=Alias(name="virtio-disk0")), Disk(alias=Alias(name="ua-x"))]
    dom.devices.disks[0].source.file = "/a"
    dom.devices.disks[0].source.index = 4
    graphics = Graphics(type="vnc", port=5900, autoport=True, passwd="secret", connected="keep")
    dom.devices.graphics = [graphics]
    dom.devices.interfaces = [Interface(type="user")]
    dom.devices.interfaces[0].target.dev = "vnet0"
    text = "<{0} type='pty'><source path='/dev/pts/1'/></{0}>"
    dom.devices.serials = [parse_document(Serial, text.format("serial"))]
    dom.devices.consoles = [parse_document(Console, text.format("console"))]
    dom.devices.consoles[0].tty = "/dev/pts/1"
    dom.devices.channels = [parse_document(Channel, text.format("channel"))]
    dom.devices.channels[0].target.state = "connected"
    return dom


def test_a_running_guest_shows_what_it_got() -> None:
    text = format_document(_running())
    for shown in (
        "id='3'",
        "virtio-disk0",
        "ua-x",
        "index='4'",
        "port='5900'",
        "tty='/dev/pts/1'",
        "<source path='/dev/pts/1'/>",
        "state='connected'",
        "vnet0",
    ):
        assert shown in text


def test_the_configuration_shows_nothing_of_a_run() -> None:
    text = format_document(_running(), FormatFlags.INACTIVE)
    for hidden in ("id='3'", "virtio-disk0", "index='4'", "5900", "/dev/pts", "state=", "vnet0"):
        assert hidden not in text
    assert "ua-x" in text
    assert "port='-1' autoport='yes'" in text


def test_a_guest_without_id_shows_its_configuration() -> None:
    dom = _running()
    dom.id = None
    assert format_document(dom) == format_document(_running(), FormatFlags.INACTIVE)


@pytest.mark.parametrize("flags", [0, FormatFlags.INACTIVE, FormatFlags.UPDATE_CPU])
def test_passwords_are_shown_only_when_asked_for(flags: int) -> None:
    dom = _running()
    assert "secret" not in format_document(dom, flags)
    assert "connected" not in format_document(dom, flags | FormatFlags.INACTIVE)
    assert "passwd='secret'" in format_document(dom, flags | FormatFlags.SECURE)


def test_a_status_file_has_all_of_it() -> None:
    dom = _running()
    dom.id = None
    text = format_document(dom, FormatFlags.STATUS)
    assert "passwd='secret'" in text
    assert "virtio-disk0" in text


def test_formatting_changes_nothing() -> None:
    dom = _running()
    before = format_document(dom, FormatFlags.SECURE)
    format_document(dom, FormatFlags.INACTIVE | FormatFlags.MIGRATABLE)
    assert format_document(dom, FormatFlags.SECURE) == before


def test_another_host_does_not_get_what_every_libvirt_adds() -> None:
    dom = Domain(type="qemu", name="a")
    dom.devices.controllers = [
        Controller(type="usb", index=0, model="piix3-uhci"),
        Controller(type="pci", index=0, model="pci-root"),
    ]
    dom.devices.inputs = [Input(type="mouse", bus="ps2"), Input(type="keyboard", bus="ps2")]
    text = format_document(dom, FormatFlags.MIGRATABLE)
    assert "controller" not in text
    assert "keyboard" not in text
    assert "mouse" in text
    dom.devices.controllers.append(Controller(type="usb", index=1, model="piix3-uhci"))
    assert format_document(dom, FormatFlags.MIGRATABLE).count("controller type='usb'") == 2


def test_what_one_element_holds_tells_nothing_of_the_next() -> None:
    """The writer remembers which fields elements of one make have, not what is in them."""
    graphics = Graphics(type="vnc", port=5901, passwd="secret")
    shown = format_document(graphics, FormatFlags.SECURE)
    assert "passwd='secret'" in shown
    assert "passwd" not in format_document(graphics)
    assert format_document(graphics, FormatFlags.SECURE) == shown
    other = Graphics(type="vnc", port=None, passwd="more")
    assert "passwd='more'" in format_document(other, FormatFlags.SECURE)
    assert "5901" not in format_document(other, FormatFlags.SECURE)


def test_documents_that_all_differ_take_no_memory() -> None:
    names = ["mode", "match", "check", "migratable"]
    for order in itertools.permutations(names):
        cpu = Cpu()
        for name in order:
            setattr(cpu, name, None)
        for flags in range(8):
            assert format_document(cpu, flags) == "<cpu/>\n"
    assert len(Cpu._shapes) <= 64


def test_a_default_is_written_whatever_it_is() -> None:
    class Part(Element):
        tag = "part"
        on: bool = attribute(YES_NO, default=False)
        number: int = attribute(UINT, default=0)
        seen: bool = flag()

    assert format_document(Part()) == "<part on='no' number='0'/>\n"
    part = Part(on=True, seen=True)
    assert format_document(part) == "<part on='yes' number='0'>\n  <seen/>\n</part>\n"


def test_the_qemu_name_space_is_declared_where_it_is_used() -> None:
    uri = "http://libvirt.org/schemas/domain/qemu/1.0"
    plain = f"<domain type='qemu' xmlns:qemu='{uri}'><name>a</name></domain>"
    assert "xmlns" not in format_document(parse_document(Domain, plain))
    command = "<qemu:commandline><qemu:arg value='-x'/></qemu:commandline>"
    used = plain.replace("</name>", f"</name>{command}")
    text = format_document(parse_document(Domain, used))
    assert f"xmlns:qemu='{uri}'" in text
    assert "    <qemu:arg value='-x'/>\n" in text


def test_a_node_has_two_layouts() -> None:
    node = Node("a", {"x": "'\"<\n"}, [Node("b", {}, ["t'<"]), Node("c")])
    out: list[str] = []
    node.write(out, "")
    assert "".join(out) == ("<a x='&apos;&quot;&lt;\n'>\n  <b>t&apos;&lt;</b>\n  <c/>\n</a>\n")
    assert node.dump() == "<a x=\"'&quot;&lt;&#10;\">\n  <b>t'&lt;</b>\n  <c/>\n</a>"
