# SPDX-License-Identifier: Apache-2.0
"""Which device a client means."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.hotplug.fragment import parse_device
from virloom.drivers.qemu.hotplug.matching import IN_DOCUMENT, IN_GUEST, find, find_alias
from virloom.drivers.qemu.hotplug.naming import assign_alias
from virloom.drivers.qemu.hotplug.persistent import attach, detach, update
from virloom.errors import (
    DeviceMissing,
    InternalError,
    InvalidArg,
    OperationFailed,
    OperationInvalid,
    XmlError,
)
from virloom.model.domain import Domain
from virloom.xml import parse_document

_TEXT = """<domain type='qemu'><name>web</name><devices>
<disk type='file' device='disk'><source file='/a'/><target dev='vda' bus='virtio'/></disk>
<controller type='scsi' index='0'/>
<interface type='user'><mac address='52:54:00:00:00:01'/><alias name='net0'/>
<address type='pci' bus='1'/></interface>
<interface type='user'><mac address='52:54:00:00:00:01'/><alias name='net3'/>
<address type='pci' bus='2'/></interface>
<serial type='null'><target port='0'/></serial>
</devices></domain>"""


@pytest.fixture
def dom() -> Domain:
    return parse_document(Domain, _TEXT)


def test_a_disk_is_known_by_its_target(dom: Domain) -> None:
    wanted = parse_device("<disk><source file='/else'/><target dev='vda'/></disk>")
    assert find(dom, wanted, IN_DOCUMENT) is dom.devices.disks[0]


def test_cards_of_one_address_are_told_apart_by_their_place(dom: Domain) -> None:
    card = "<interface type='user'><mac address='52:54:00:00:00:01'/>{}</interface>"
    with pytest.raises(OperationFailed):
        find(dom, parse_device(card.format("")), IN_DOCUMENT)
    placed = card.format("<address type='pci' bus='2'/>")
    assert find(dom, parse_device(placed), IN_DOCUMENT) is dom.devices.interfaces[1]
    named = card.format("<alias name='net0'/>")
    assert find(dom, parse_device(named), IN_DOCUMENT) is dom.devices.interfaces[0]


def test_what_is_missing_is_said_as_libvirt_does(dom: Domain) -> None:
    port = parse_device("<serial type='null'><target port='4'/></serial>")
    with pytest.raises(InvalidArg):
        find(dom, port, IN_DOCUMENT)
    with pytest.raises(DeviceMissing):
        find(dom, port, IN_GUEST)
    with pytest.raises(DeviceMissing):
        find(dom, parse_device("<controller type='scsi'/>"), IN_DOCUMENT)
    with pytest.raises(InternalError):
        find_alias(dom, "net1")


def test_a_document_changes_one_device(dom: Domain) -> None:
    attach(dom, parse_device("<controller type='scsi'/>"))
    assert [controller.index for controller in dom.devices.controllers] == [0, 1]
    with pytest.raises(OperationInvalid):
        attach(dom, parse_device("<controller type='scsi' index='1'/>"))
    detach(dom, parse_device("<controller type='scsi' index='0'/>"))
    assert [controller.index for controller in dom.devices.controllers] == [1]
    update(dom, parse_device("<disk><source file='/b'/><target dev='vda' bus='virtio'/></disk>"))
    assert [disk.source.file for disk in dom.devices.disks] == ["/b"]


def test_names_go_on_after_the_highest(dom: Domain) -> None:
    new = parse_device("<interface type='user'/>")
    new.among(dom).append(new.device)
    assert assign_alias(dom, new) == "net4"
    chosen = parse_device("<interface type='user'><alias name='ua-mine'/></interface>")
    chosen.among(dom).append(chosen.device)
    assert assign_alias(dom, chosen) == "ua-mine"


def test_an_alias_that_is_no_user_s_finds_nothing_in_a_document(dom: Domain) -> None:
    """A live document names all devices, and is sent as it is."""
    card = "<interface type='user'><mac address='52:54:00:00:00:01'/>{}</interface>"
    for number, interface in enumerate(dom.devices.interfaces):
        interface.alias = None
        interface.mac.address = f"52:54:00:00:00:0{number + 1}"
    update(dom, parse_device(card.format("<alias name='net7'/><link state='down'/>")))
    assert dom.devices.interfaces[0].link.state == "down"
    assert dom.devices.interfaces[0].alias is None
    update(dom, parse_device(card.format("<alias name='ua-mine'/>")))
    with pytest.raises(DeviceMissing):
        update(dom, parse_device(card.format("<alias name='ua-other'/>")))
    detach(dom, parse_device(card.format("<alias name='ua-mine'/>")))
    assert len(dom.devices.interfaces) == 1


def test_a_display_that_is_not_there_is_not_updated(dom: Domain) -> None:
    with pytest.raises(InvalidArg):
        update(dom, parse_device("<graphics type='vnc'/>"))


def test_a_card_has_no_multicast_address() -> None:
    with pytest.raises(XmlError):
        parse_device("<interface type='user'><mac address='53:54:00:00:00:01'/></interface>")
