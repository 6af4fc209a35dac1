# SPDX-License-Identifier: Apache-2.0
"""What calls read and set of a domain's document: metadata, pins, limits of traffic, its ends."""

from __future__ import annotations

import pytest

from virloom.drivers.runtime import bandwidth, metadata, pins
from virloom.drivers.runtime.cpumaps import cpus_of, from_wire, to_wire
from virloom.drivers.runtime.ends import end_action, end_field
from virloom.enums.domain import DomainLifecycle, DomainLifecycleAction, DomainMetadataType
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InvalidArg, NoDomainMetadata, XmlDetail
from virloom.model.domain import Domain
from virloom.model.network.port import NetworkPort
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain
from virloom.xml import parse_document

REF = NonnullDomain("web", bytes(16), -1)
WORDS, TITLE, ELEMENT = (
    DomainMetadataType.DESCRIPTION,
    DomainMetadataType.TITLE,
    DomainMetadataType.ELEMENT,
)


def guest(inside: str = "") -> Domain:
    return parse_document(
        Domain,
        f"<domain type='qemu'><name>web</name><vcpu cpuset='0-3'>2</vcpu>{inside}</domain>",
    )


def asked(
    kind: int, text: str | None, key: str | None = None, uri: str | None = None
) -> p.DomainSetMetadataArgs:
    return p.DomainSetMetadataArgs(REF, kind, text, key, uri, 0)


def test_metadata_is_set_read_and_removed() -> None:
    model = guest()
    for args in (
        asked(TITLE, "Web"),
        asked(WORDS, "serves\npages"),
        asked(ELEMENT, "<a b='1'/>", "x", "urn:x"),
    ):
        metadata.check_metadata(args)
        metadata.write_metadata(model, args)
    assert metadata.read_metadata(lambda: model, TITLE, None) == "Web"
    assert metadata.read_metadata(lambda: model, WORDS, None) == "serves\npages"
    assert metadata.read_metadata(lambda: model, ELEMENT, "urn:x") == '<a b="1"/>'
    for kind, uri in ((TITLE, None), (ELEMENT, "urn:x")):
        metadata.write_metadata(model, asked(kind, None, "x", uri))
        with pytest.raises(NoDomainMetadata):
            metadata.read_metadata(lambda: model, kind, uri)


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (asked(TITLE, "two\nlines"), "can't contain newlines"),
        (asked(TITLE, "Web", uri="urn:x"), "uri in virDomainSetMetadata must be NULL"),
        (asked(ELEMENT, "<a/>", "x"), "must not be NULL"),
        (asked(ELEMENT, "<a/>", "x", ""), "needs a namespace URI"),
        (asked(ELEMENT, "<a/>", None, "urn:x"), "needs a prefix"),
        (asked(7, "words"), "unknown metadata type 7"),
    ],
)
def test_metadata_that_no_document_can_hold(args: p.DomainSetMetadataArgs, why: str) -> None:
    with pytest.raises(InvalidArg, match=why):
        metadata.check_metadata(args)


def test_an_element_that_is_malformed() -> None:
    with pytest.raises(XmlDetail) as caught:
        metadata.write_metadata(guest(), asked(ELEMENT, "<a>", "x", "urn:x"))
    assert caught.value.domain == ErrorDomain.DOMAIN


def test_pins_replace_what_was_said_and_stay_in_order() -> None:
    model = guest("<cputune><vcpupin vcpu='1' cpuset='2'/></cputune>")
    assert (pins.pin_of(model, 0), pins.pin_of(model, 1)) == ("0-3", "2")
    pins.set_pin(model, 1, "3")
    pins.set_pin(model, 0, "1")
    assert [(pin.vcpu, pin.cpuset) for pin in model.cputune.vcpupins] == [(0, "1"), (1, "3")]
    assert pins.emulator_pin_of(model) == "0-3"
    pins.set_emulator_pin(model, "2")
    assert pins.emulator_pin_of(model) == "2"
    assert pins.iothread_pin_of(model, 4) is None
    pins.set_iothread_pin(model, 4, "0")
    pins.set_iothread_pin(model, 4, "1")
    assert pins.iothread_pin_of(model, 4) == "1"


def test_sets_of_processors() -> None:
    assert from_wire(b"\x07\x01") == "0-2,8"
    assert from_wire(b"\0") == ""
    assert to_wire([0, 1, 2, 8, 99], 2) == b"\x07\x01"
    assert cpus_of("0-2,8", ()) == [0, 1, 2, 8]
    assert (cpus_of("", [7]), cpus_of(None, [7])) == ([], [7])


CARD = (
    "<devices><interface type='user'><mac address='52:54:00:00:00:01'/><target dev='vnet0'/>"
    "</interface></devices>"
)


def test_limits_of_a_card_by_side() -> None:
    model = guest(CARD)
    card = bandwidth.find_interface(model, "52:54:00:00:00:01".upper())
    assert bandwidth.find_interface(model, "vnet0") is card
    with pytest.raises(InvalidArg, match="'vnet7' is not a known interface"):
        bandwidth.find_interface(model, "vnet7")
    assert set(bandwidth.limits_of(card).values()) == {0}
    bandwidth.set_limits(card, {"inbound.average": 100, "inbound.peak": 200})
    bandwidth.set_limits(card, {"outbound.average": 50, "outbound.burst": 0})
    found = bandwidth.limits_of(card)
    assert {name: value for name, value in found.items() if value} == {
        "inbound.average": 100,
        "inbound.peak": 200,
        "outbound.average": 50,
    }
    bandwidth.set_limits(card, {"inbound.average": 0})
    assert bandwidth.limits_of(card)["inbound.peak"] == 0
    bandwidth.set_limits(card, {"outbound.average": 0})
    assert card.bandwidth is None


def test_limits_of_a_port_with_a_floor_alone() -> None:
    port = NetworkPort()
    bandwidth.set_port_limits(port, {"inbound.floor": 10})
    assert bandwidth.limits_of(port)["inbound.floor"] == 10
    bandwidth.set_port_limits(port, {"inbound.floor": 0})
    assert port.bandwidth is None


def test_ends_and_actions_have_their_names() -> None:
    assert end_field(DomainLifecycle.REBOOT) == "on_reboot"
    assert end_action(DomainLifecycle.REBOOT, DomainLifecycleAction.RESTART) == "restart"
    core = DomainLifecycleAction.COREDUMP_RESTART
    assert end_action(DomainLifecycle.CRASH, core) == "coredump-restart"
    with pytest.raises(ConfigUnsupported, match="'poweroff' doesn't support 'coredump-restart'"):
        end_action(DomainLifecycle.POWEROFF, core)
    with pytest.raises(InvalidArg, match="lifecycle type '9'"):
        end_field(9)
    with pytest.raises(InvalidArg, match="lifecycle action '9'"):
        end_action(DomainLifecycle.CRASH, 9)
