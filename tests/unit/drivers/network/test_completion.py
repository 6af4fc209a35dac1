# SPDX-License-Identifier: Apache-2.0
"""What a network's document leaves out, and what is refused of leases."""

from __future__ import annotations

import pytest

from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.updates.update import update
from virloom.enums.network import NetworkUpdateCommand, NetworkUpdateSection
from virloom.errors import ConfigUnsupported
from virloom.model.network import Network
from virloom.xml import format_document

RANGE = "<range start='10.7.0.2' end='10.7.0.9'>{}</range>"


def network(dhcp: str) -> Network:
    address = f"<ip address='10.7.0.1' prefix='24'>{dhcp}</ip>"
    return parse_network(f"<network><name>n</name>{address}</network>")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("<lease expiry='5'/>", "<lease expiry='5' unit='minutes'/>"),
        ("<lease expiry='120' unit='seconds'/>", "<lease expiry='120' unit='seconds'/>"),
        ("<lease expiry='0' unit='hours'/>", "<lease expiry='0'/>"),
        ("<lease unit='hours'/>", ""),
    ],
)
def test_leases(said: str, shown: str) -> None:
    text = format_document(network(f"<dhcp>{RANGE.format(said)}</dhcp>"))
    assert ("<lease" in text) == bool(shown)
    assert shown in text


@pytest.mark.parametrize("said", ["expiry='1'", "expiry='119' unit='seconds'"])
def test_leases_that_are_too_short(said: str) -> None:
    lease = f"<lease {said}/>"
    host = f"<host mac='52:54:00:00:00:01' ip='10.7.0.5'>{lease}</host>"
    for dhcp in (RANGE.format(lease), host):
        with pytest.raises(ConfigUnsupported, match="two minutes"):
            network(f"<dhcp>{dhcp}</dhcp>")


def test_a_dhcp_server_with_nothing_to_give() -> None:
    assert "dhcp" not in format_document(network("<dhcp/>"))
    model = network(f"<dhcp>{RANGE.format('')}</dhcp>")
    command, section = NetworkUpdateCommand.DELETE, NetworkUpdateSection.IP_DHCP_RANGE
    update(model, command, section, -1, RANGE.format(""))
    assert "dhcp" not in format_document(model)
    assert "bootp" in format_document(network("<dhcp><bootp file='a'/></dhcp>"))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("<inbound average='0' peak='3'/><outbound average='1'/>", "<outbound average='1'/>"),
        ("<inbound average='1' floor='0' peak='0' burst='0'/>", "<inbound average='1'/>"),
        ("<inbound floor='5'/><outbound average='0'/>", "<inbound floor='5'/>"),
        ("<inbound average='0'/>", ""),
    ],
)
def test_rates_of_nothing(said: str, shown: str) -> None:
    text = format_document(
        parse_network(f"<network><name>n</name><bandwidth>{said}</bandwidth></network>")
    )
    inside = text.partition("<bandwidth>\n")[2].partition("</bandwidth>")[0]
    assert inside.strip() == shown
