# SPDX-License-Identifier: Apache-2.0
"""What the host's scripts for networks read."""

from __future__ import annotations

from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.hooks import document_of
from virloom.model.network.port import NetworkPort


def test_network_and_port_are_in_one_document() -> None:
    network = parse_network(
        "<network><name>n</name><uuid>11111111-0000-0000-0000-000000000001</uuid>"
        "<bridge name='b'/><mac address='52:54:00:00:00:01'/></network>"
    )
    network.connections = 1
    port = NetworkPort(uuid="11111111-0000-0000-0000-000000000002")
    assert document_of(network, port) == (
        "<hookData>\n"
        "  <network connections='1'>\n"
        "    <name>n</name>\n"
        "    <uuid>11111111-0000-0000-0000-000000000001</uuid>\n"
        "    <bridge name='b' stp='on' delay='0'/>\n"
        "    <mac address='52:54:00:00:00:01'/>\n"
        "  </network>\n"
        "  <networkport>\n"
        "    <uuid>11111111-0000-0000-0000-000000000002</uuid>\n"
        "  </networkport>\n"
        "</hookData>"
    )
