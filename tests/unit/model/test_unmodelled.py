# SPDX-License-Identifier: Apache-2.0
"""What a start must refuse because the model does not know it; and what the schema knows."""

from __future__ import annotations

from virloom.model.domain import Domain, unmodelled
from virloom.model.schema import schema
from virloom.xml import parse_document


def test_everything_kept_word_for_word_is_named() -> None:
    text = (
        "<domain type='qemu'><name>a</name><title>t</title>"
        "<metadata><x xmlns='urn:x'/></metadata>"
        "<sysinfo type='smbios'/><cputune><shares>1</shares></cputune>"
        "<features><acpi/><hyperv mode='custom'/></features><devices>"
        "<disk><source file='/a'/></disk>"
        "<disk><source file='/a' fdgroup='x'><encryption format='luks'/></source></disk>"
        "<hostdev mode='subsystem'/><hostdev mode='subsystem'/></devices></domain>"
    )
    assert unmodelled(parse_document(Domain, text)) == [
        "domain/cputune[1]",
        "domain/sysinfo[1]",
        "domain/features/hyperv[1]",
        "domain/devices/disk[2]/source/@fdgroup",
        "domain/devices/disk[2]/source/encryption",
        "domain/devices/hostdev[1]",
        "domain/devices/hostdev[2]",
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
