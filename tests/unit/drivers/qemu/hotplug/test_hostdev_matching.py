# SPDX-License-Identifier: Apache-2.0
"""Which device of the host a client means that takes one from a guest."""

from __future__ import annotations

import pytest

from virloom.drivers.qemu.hotplug.fragment import parse_device, parse_new
from virloom.drivers.qemu.hotplug.matching import IN_DOCUMENT, IN_GUEST, find
from virloom.errors import ConfigUnsupported, DeviceMissing, InternalError, VirloomError, XmlError
from virloom.model.domain import Domain, Hostdev
from virloom.xml import parse_document

UUID = "8a05ad83-3472-497d-8631-8142f31460e{}"


def given(kind: str, source: str, more: str = "") -> str:
    return f"<hostdev mode='subsystem' type='{kind}'{more}><source>{source}</source></hostdev>"


def pci(bus: int) -> str:
    return given("pci", f"<address domain='0' bus='{bus}' slot='0' function='0'/>")


def scsi(unit: int) -> str:
    place = f"<address bus='0' target='0' unit='{unit}'/>"
    return given("scsi", f"<adapter name='scsi_host0'/>{place}")


def mdev(number: int) -> str:
    return given("mdev", f"<address uuid='{UUID.format(number)}'/>", " model='vfio-pci'")


NAME = "<vendor id='0x0627'/><product id='0x0001'/>"
PLACE = "<address bus='1' device='{}'/>"
ISCSI = (
    "<hostdev mode='subsystem' type='scsi'><source protocol='iscsi' name='iqn.2020-01.org.x:{}'>"
    "<host name='::1' port='3260'/></source></hostdev>"
)
DEVICES = [
    pci(1), pci(2), scsi(0), scsi(1), mdev(1), mdev(2), given("usb", NAME + PLACE.format(4)),
    given("usb", PLACE.format(5)), ISCSI.format("one/0"), ISCSI.format("two/0"),
]  # fmt: skip


@pytest.fixture
def dom() -> Domain:
    return parse_document(
        Domain,
        f"<domain type='qemu'><name>web</name><devices>{''.join(DEVICES)}</devices></domain>",
    )


def which(dom: Domain, document: str) -> int:
    """The number of the device that is meant."""
    found: list[Hostdev] = dom.devices.hostdevs
    device = find(dom, parse_device(document), IN_GUEST)
    return next(number for number, one in enumerate(found) if one is device)


@pytest.mark.parametrize("number", range(len(DEVICES)))
def test_each_is_itself(dom: Domain, number: int) -> None:
    assert which(dom, DEVICES[number]) == number


@pytest.mark.parametrize(
    ("document", "number"),
    [
        (given("usb", NAME), 6),
        (given("usb", PLACE.format(4)), 6),
        (given("usb", NAME + PLACE.format(5)), 7),
        (mdev(2).upper().replace("UUID", "uuid").lower(), 5),
        (ISCSI.format("two"), 9),
    ],
)
def test_by_other_words(dom: Domain, document: str, number: int) -> None:
    assert which(dom, document) == number


@pytest.mark.parametrize(
    "document",
    [
        pci(3), scsi(7), mdev(7), given("usb", PLACE.format(9)), ISCSI.format("one/1"),
        given("usb", NAME.replace("0627", "0628")), pci(1).replace("domain='0'", "domain='1'"),
    ],
)  # fmt: skip
def test_another_is_none_of_them(dom: Domain, document: str) -> None:
    with pytest.raises(DeviceMissing):
        which(dom, document)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (given("usb", "<vendor id='0x1'/>"), InternalError),
        (given("usb", "<address bus='1'/>"), XmlError),
        (given("scsi", "<adapter name='scsi_host0'/><address bus='0'/>"), XmlError),
        (given("pci", "<address bus='256'/>"), XmlError),
        (given("scsi_host", ""), XmlError),
        (given("mdev", "<address uuid='x'/>", " model='vfio-pci'"), InternalError),
        (given("mdev", "", " model='vfio-pci'"), ConfigUnsupported),
        ("<lease><lockspace>s</lockspace></lease>", XmlError),
    ],
)
def test_what_no_document_says(document: str, error: type[VirloomError]) -> None:
    with pytest.raises(error):
        parse_device(document)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (given("usb", NAME).replace("</host", "<address type='pci'/></host"), ConfigUnsupported),
        (given("scsi_host", "").replace("<source>", "<source protocol='vhost' "
         "wwpn='naa.5123456789abcde0'>").replace("</host", "<boot order='1'/></host"),
         ConfigUnsupported),
        (pci(1).replace("</host", "<teaming type='transient'/></host"), ConfigUnsupported),
    ],
)  # fmt: skip
def test_what_goes_and_does_not_come(document: str, error: type[VirloomError]) -> None:
    parse_device(document)
    with pytest.raises(error):
        parse_new(document)


def test_a_network_card_that_is_a_device_is_meant_too() -> None:
    """As with libvirt, but only in the guest that runs."""
    place = "<address type='pci' domain='0' bus='2' slot='16' function='2'/>"
    card = f"<interface type='hostdev'><source>{place}</source></interface>"
    dom = parse_document(
        Domain, f"<domain type='qemu'><name>web</name><devices>{card}</devices></domain>"
    )
    asked = parse_device(given("pci", place.replace(" type='pci'", "")))
    assert find(dom, asked, IN_GUEST) is dom.devices.interfaces[0]
    for other, where in ((pci(2), IN_GUEST), (given("pci", place), IN_DOCUMENT)):
        with pytest.raises(DeviceMissing):
            find(dom, parse_device(other), where)
