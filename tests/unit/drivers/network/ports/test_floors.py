# SPDX-License-Identifier: Apache-2.0
"""What ports may be sure of."""

from __future__ import annotations

from uuid import uuid4

import pytest

from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.ports.document import parse_port
from virloom.drivers.network.ports.floors import admit_floor, share_of
from virloom.errors import OperationInvalid, OperationUnsupported, VirloomError
from virloom.host.traffic import Share
from virloom.model.network.port import NetworkPort

NETWORK = "<network><name>n</name>{}<bridge name='b'/><bandwidth>{}</bandwidth></network>"
PEAK = NETWORK.format("", "<inbound average='100' peak='200'/>")
AVERAGE = NETWORK.format("", "<inbound average='100'/>")
OUT = NETWORK.format("", "<outbound average='100'/>")
FOREIGN = NETWORK.format("<forward mode='bridge'/>", "<inbound average='100'/>")


def port(number: int, floor: int) -> NetworkPort:
    owner = "<owner><name>g</name><uuid>11111111-0000-0000-0000-000000000001</uuid></owner>"
    rate = f"<bandwidth><inbound average='1' floor='{floor}'/></bandwidth>"
    mac = f"<mac address='52:54:00:00:00:{number:02x}'/>"
    return parse_port(f"<networkport><uuid>{uuid4()}</uuid>{owner}{mac}{rate}</networkport>")


def test_classes_are_the_first_that_are_free() -> None:
    network, ports = parse_network(PEAK), [port(number, 20) for number in range(3)]
    for number, one in enumerate(ports):
        admit_floor(network, one, ports[:number])
    assert [share_of(one) for one in ports] == [
        Share(3, "52:54:00:00:00:00", 20),
        Share(4, "52:54:00:00:00:01", 20),
        Share(5, "52:54:00:00:00:02", 20),
    ]
    again = port(9, 140)  # up to the peak
    admit_floor(network, again, [ports[0], ports[2]])
    assert share_of(again) == Share(4, "52:54:00:00:00:09", 140)
    modest = port(10, 0)
    admit_floor(network, modest, ports)
    assert share_of(modest) is None


@pytest.mark.parametrize(
    ("document", "floor", "error", "words"),
    [
        (PEAK, 201, OperationInvalid, "floor=201 would overcommit peak=200"),
        (AVERAGE, 101, OperationInvalid, "floor=101 would overcommit average=100"),
        (OUT, 1, OperationUnsupported, "no inbound QoS set"),
        (FOREIGN, 1, OperationUnsupported, "only supported for interface type"),
    ],
)
def test_what_cannot_be_promised(
    document: str, floor: int, error: type[VirloomError], words: str
) -> None:
    with pytest.raises(error, match=words):
        admit_floor(parse_network(document), port(1, floor), [])
