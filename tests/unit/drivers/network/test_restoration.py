# SPDX-License-Identifier: Apache-2.0
"""The rules of networks in iptables' words."""

from __future__ import annotations

import pytest

from virloom.drivers.network.completion import parse_network
from virloom.drivers.network.firewall.restoration import chain_rules, is_held, restoration
from virloom.errors import InternalError

NAT = """<network><name>n</name><forward mode='nat'{}><nat>
<address start='203.0.113.5' end='203.0.113.9'/><port start='500' end='900'/></nat></forward>
<bridge name='virbr0'/><ip address='10.1.0.1' prefix='24'/>
<ip family='ipv6' address='fd01::1' prefix='64'/></network>"""
#: As iptables-save(8) writes tables in which there is nothing of ours.
EMPTY = "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -j DOCKER\nCOMMIT\n"


def test_what_comes_and_what_goes_are_apart() -> None:
    chains = chain_rules(parse_network(NAT.format(" dev='eth7'")), 4)
    assert chains["VIRLOOM_FWI_virbr0"] == [
        "-i virbr0 -o virbr0 -j ACCEPT",
        "-i eth7 -o virbr0 -d 10.1.0.0/24 -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
        "-o virbr0 -j REJECT",
    ]
    assert chains["VIRLOOM_FWO_virbr0"] == [
        "-i virbr0 -o eth7 -s 10.1.0.0/24 -j ACCEPT",
        "-i virbr0 -j REJECT",
    ]
    translated = chains["VIRLOOM_NAT_virbr0"]
    outside = "-o eth7 -s 10.1.0.0/24 ! -d 10.1.0.0/24"
    source = "-j SNAT --to-source 203.0.113.5-203.0.113.9"
    assert translated[2] == f"{outside} -p tcp {source}:500-900"
    assert translated[-1] == f"{outside} {source}"
    six = chain_rules(parse_network(NAT.format("")), 6)
    assert six["VIRLOOM_NAT_virbr0"] == []
    assert "-o virbr0 -d fd01::/64 -j ACCEPT" in six["VIRLOOM_FWI_virbr0"]


def test_only_what_is_there_is_removed() -> None:
    assert restoration(EMPTY, "virbr0", {}) == ""
    chains = chain_rules(parse_network(NAT.format("")), 4)
    text = restoration(EMPTY, "virbr0", chains)
    # The last that is inserted is the first that is entered.
    ways = [line for line in text.splitlines() if line.startswith("-I FORWARD")]
    assert ways == ["-I FORWARD -j VIRLOOM_FWO", "-I FORWARD -j VIRLOOM_FWI"]
    assert not is_held(EMPTY, "virbr0", chains)
    saved = text.replace("-I ", "-A ")
    assert is_held(saved, "virbr0", chains)
    assert not is_held(saved.replace("-A FORWARD -j VIRLOOM_FWI\n", ""), "virbr0", chains)
    again = restoration(saved, "virbr0", chains)
    assert "-I " not in again  # nothing is entered twice
    shared = saved.replace("COMMIT", "-A VIRLOOM_FWI -j VIRLOOM_FWI_virbr1\nCOMMIT", 1)
    removed = restoration(shared, "virbr0", {}).splitlines()
    assert "-X VIRLOOM_FWI_virbr0" in removed
    assert "-X VIRLOOM_FWI" not in removed  # another network's is entered by it
    assert "-X VIRLOOM_FWO" in removed


@pytest.mark.parametrize("name", ["eth0 -j ACCEPT", "-j", "eth+", "a&#10;-A INPUT", '"'])
def test_no_other_word_by_the_name_of_a_link(name: str) -> None:
    device = name.replace('"', "&quot;")
    with pytest.raises(InternalError, match="of a link"):
        chain_rules(parse_network(NAT.format(f" dev='{device}'")), 4)
