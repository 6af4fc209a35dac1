# SPDX-License-Identifier: Apache-2.0
"""What a firewall's rules mean for guests."""

from __future__ import annotations

import json
from pathlib import Path

from virloom.cli.findings.firewall import Forwarding, _bridges, _routing, judge, of_iptables, of_nft
from virloom.cli.findings.host import Host

DOCKER = """\
-P INPUT ACCEPT
-P FORWARD DROP
-P OUTPUT ACCEPT
-N DOCKER
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
"""


def chain(**values: str) -> dict[str, dict[str, str]]:
    """A chain as nft tells it."""
    return {"chain": {"family": "ip", "table": "filter", **values}}


def test_docker_by_iptables() -> None:
    found = judge(of_iptables(DOCKER), "iptables")
    assert not found.found
    assert "Docker" in found.detail
    assert found.remedy == (
        "iptables -I DOCKER-USER -i virbr0 -j ACCEPT; iptables -I DOCKER-USER -o virbr0 -j ACCEPT"
    )


def test_docker_by_nft() -> None:
    text = json.dumps(
        {"nftables": [
            {"metainfo": {}}, chain(name="FORWARD", hook="forward", policy="drop"),
            chain(name="DOCKER-USER"), chain(name="INPUT", hook="input", policy="drop"),
        ]}
    )  # fmt: skip
    assert of_nft(text) == [Forwarding("ip filter FORWARD", True, True)]


def test_another_that_drops() -> None:
    found = judge([Forwarding("inet mine forward", True, False)], "nft")
    assert (found.found, "'inet mine forward' drops" in found.detail) == (False, True)
    assert found.remedy


def test_none_that_drops() -> None:
    for chains in ([], of_iptables("-P FORWARD ACCEPT\n"), of_nft('{"nftables": []}')):
        assert judge(chains, "nft").found


def test_routing_and_bridges(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert not _routing(host).found
    assert _bridges(host, needed=False) == []
    net = tmp_path / "proc/sys/net"
    (net / "ipv4").mkdir(parents=True)
    (net / "bridge").mkdir()
    (net / "ipv4/ip_forward").write_text("1\n")
    for value, fine in (("0\n", True), ("1\n", False)):
        (net / "bridge/bridge-nf-call-iptables").write_text(value)
        assert [row.found for row in _bridges(host, needed=False)] == [fine]
        assert [row.found for row in _bridges(host, needed=True)] == [True]
    assert _routing(host).found
