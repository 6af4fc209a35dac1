# SPDX-License-Identifier: Apache-2.0
"""What a start must refuse because the model does not know it; and what the schema knows."""

from __future__ import annotations

from virloom.model.domain import Domain, unmodelled
from virloom.model.domain.base import DomainElement
from virloom.model.schema import schema
from virloom.xml import parse_document
from virloom.xml.fields import attribute, children, group, leaf, raw, verbatim
from virloom.xml.kinds import STRING
from virloom.xml.node import Node


class _Disk(DomainElement):
    """A disk of which little is modelled."""

    tag = "disk"
    schema_path = "domain/devices/disk"

    type: str | None = attribute(STRING)
    serial: str | None = leaf(STRING)
    source: list[Node] = verbatim("source")


class _Devices(DomainElement):
    """Devices of which few are modelled."""

    disks: list[_Disk] = children(_Disk, "disk")
    hostdevs: list[Node] = verbatim("hostdev")


class _Guest(DomainElement):
    """A domain of which little is modelled."""

    tag = "domain"
    schema_path = "domain"

    metadata: Node | None = raw()
    sysinfo: list[Node] = verbatim("sysinfo")
    devices: _Devices = group(_Devices)


def test_everything_kept_word_for_word_is_named() -> None:
    text = (
        "<domain type='qemu'><metadata><x xmlns='urn:x'/></metadata><cputune/>"
        "<sysinfo type='smbios'/><devices><disk><serial>1</serial></disk>"
        "<disk type='file' sgio='filtered'><source file='/a'/><vendor>x</vendor></disk>"
        "<hostdev mode='subsystem'/><hostdev mode='subsystem'/></devices></domain>"
    )
    assert unmodelled(parse_document(_Guest, text)) == [
        "domain/sysinfo[1]",
        "domain/devices/disk[2]/source[1]",
        "domain/devices/disk[2]/@sgio",
        "domain/devices/disk[2]/vendor",
        "domain/devices/hostdev[1]",
        "domain/devices/hostdev[2]",
        "domain/@type",
        "domain/cputune",
    ]


def test_a_modelled_document_has_nothing_to_name() -> None:
    text = "<domain type='qemu'><name>a</name><vcpu>1</vcpu><devices><disk/></devices></domain>"
    assert unmodelled(parse_document(Domain, text)) == []


def test_the_schema_knows_elements_and_attributes() -> None:
    known = schema("domain")
    assert known.knows_element("domain/devices/tpm/backend")
    assert not known.knows_element("domain/devices/tpm/frontend")
    assert known.knows_attribute("domain/devices/disk", "device")
    assert not known.knows_attribute("domain/devices/disk", "dev")


def test_a_chain_of_backing_images_is_known_at_any_depth() -> None:
    path = "domain/devices/disk" + "/backingStore" * 9 + "/source"
    assert schema("domain").knows_attribute(path, "file")
    assert not schema("domain").knows_attribute(path, "nothing")
