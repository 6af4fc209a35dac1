# SPDX-License-Identifier: Apache-2.0
"""What ports get of networks, and what they may not have."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.ports.allocation import allocate, reclaim
from virloom.drivers.network.ports.document import parse_port
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    VirloomError,
    XmlError,
)
from virloom.model.network import Network
from virloom.model.network.port import NetworkPort

OWNER = "<owner><name>g</name><uuid>11111111-0000-0000-0000-000000000001</uuid></owner>"
OVS = "<virtualport type='openvswitch'>{}</virtualport>"
QBH = "<virtualport type='802.1Qbh'><parameters profileid='x'/></virtualport>"
SWITCH_ID = "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f"
CARDS = "<interface dev='d0'/><interface dev='d1'/>"


def port(more: str = "") -> NetworkPort:
    named = f"<uuid>{uuid4()}</uuid>{OWNER}<mac address='52:54:00:00:00:01'/>"
    return parse_port(f"<networkport>{named}{more}</networkport>")


def pool(mode: str, more: str = CARDS) -> Network:
    return parse_network(
        f"<network><name>pool</name><forward mode='{mode}'>{more}</forward></network>"
    )


def given(network: Network, *wanted: str) -> list[NetworkPort]:
    """The ports that it gives to some, one after another."""
    ports: list[NetworkPort] = []
    for more in wanted:
        made = port(more)
        allocate(network, made, ports)
        ports.append(made)
    return ports


@pytest.mark.parametrize("mode", ["bridge", "private", "vepa"])
def test_cards_take_turns(mode: str) -> None:
    ports = given(pool(mode), "", "", "")
    assert [made.plug.dev for made in ports] == ["d0", "d1", "d0"]
    assert {(made.plug.type, made.plug.mode) for made in ports} == {("direct", mode)}


@pytest.mark.parametrize(("mode", "more"), [("passthrough", ""), ("private", QBH)])
def test_a_card_that_is_not_shared_is_given_once(mode: str, more: str) -> None:
    with pytest.raises(InternalError, match="none are available"):
        given(pool(mode), more, more, more)


def test_functions_of_cards_are_given_once() -> None:
    functions = "<address type='pci' domain='0' bus='4' slot='0' function='{}'/>"
    network = pool("hostdev", functions.format(1) + functions.format(2))
    ports = given(network, "", "")
    assert [made.plug.address.function for made in ports] == ["0x1", "0x2"]
    with pytest.raises(InternalError, match="none are available"):
        allocate(network, port(), ports)
    again = "<plug type='hostdev-pci'><address type='pci' bus='0x04' function='0x{}'/></plug>"
    reclaim(network, port(again.format(2)), ports[:1])
    with pytest.raises(InternalError, match="already in use"):
        reclaim(network, port(again.format(2)), ports)
    with pytest.raises(InternalError, match="PCI device 0000:04:00"):
        reclaim(network, port(again.format(3)), ports)


def test_what_a_port_has_already() -> None:
    had = "<plug type='direct' dev='{}' mode='passthrough'/>"
    network, ports = pool("passthrough"), [port(had.format("d0"))]
    reclaim(network, port(had.format("d1")), ports)
    for plug, error in (
        (had.format("d0"), InternalError),
        (had.format("other"), InternalError),
        ("<plug type='bridge' bridge='virbr0'/>", InternalError),
        ("", InvalidArg),
    ):
        with pytest.raises(error):
            reclaim(network, port(plug), ports)


NETWORK = f"""<network trustGuestRxFilters='no'><name>n</name><forward mode='bridge'/>
<bridge name='br0'/><vlan><tag id='3'/></vlan>
{OVS.format(f"<parameters interfaceid='{SWITCH_ID}'/>")}<port isolated='yes'/>
<portgroup name='usual' default='yes' trustGuestRxFilters='yes'><vlan><tag id='4'/></vlan>
<bandwidth><inbound average='7'/></bandwidth>
{OVS.format("<parameters profileid='gp'/>")}</portgroup>
<portgroup name='other'/></network>"""


def test_what_a_port_takes_over() -> None:
    network = parse_network(NETWORK)
    usual, other, own = given(
        network, "", "<group>other</group>", "<group>unknown</group><vlan><tag id='9'/></vlan>"
    )
    assert usual.virtualport is not None
    assert usual.virtualport.parameters.profileid == "gp"
    assert usual.virtualport.parameters.interfaceid == SWITCH_ID
    assert usual.rxfilters.trust_guest is True
    assert other.rxfilters.trust_guest is False
    assert usual.bandwidth is not None
    assert usual.bandwidth is not network.portgroups[0].bandwidth  # it changes on its own
    assert other.bandwidth is None
    assert other.port.isolated is True
    tags = [made.vlan.tags[0].id for made in (usual, other, own) if made.vlan is not None]
    assert tags == [4, 3, 9]


def test_a_port_of_a_switch_has_an_id() -> None:
    network = parse_network(
        "<network><name>n</name><forward mode='bridge'/><bridge name='b'/></network>"
    )
    (made,) = given(network, OVS.format(""))
    assert made.virtualport is not None
    UUID(made.virtualport.parameters.interfaceid)


NAT = "<network><name>n</name><bridge name='virbr0'/></network>"


@pytest.mark.parametrize(
    ("document", "more", "error"),
    [
        (NETWORK, OVS.format("<parameters profileid='mine'/>"), XmlError),
        (NETWORK, QBH, XmlError),
        (NAT, OVS.format(""), ConfigUnsupported),
        ("<network><name>n</name><forward mode='bridge'/></network>", "", InternalError),
    ],
)
def test_what_no_port_can_have(document: str, more: str, error: type[VirloomError]) -> None:
    with pytest.raises(error):
        given(parse_network(document), more)
