# SPDX-License-Identifier: Apache-2.0
"""Rules for packets are given to a kernel, by iptables, in a network of the test's own."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from tests.interop.namespace import NetworkNamespace
from virloom.drivers.nwfilter.completion import parse_filter
from virloom.drivers.nwfilter.rules.loading import Loader
from virloom.drivers.nwfilter.rules.ruleset import removal, ruleset
from virloom.drivers.nwfilter.rules.transaction import Transaction
from virloom.errors import InternalError
from virloom.model.nwfilter import FilterReference

pytestmark = pytest.mark.skipif(
    any(shutil.which(name, path="/usr/sbin:/usr/bin") is None for name in ("nft", "iptables"))
    or os.geteuid() != 0,
    reason="nft or iptables is not installed, or this is not root, who can make networks",
)

#: What somebody else has there.
FOREIGN = ("-A FORWARD -s 192.0.2.0/24 -j DROP", "-A other -j ACCEPT")
SETUP = """
iptables -N other; iptables -A other -j ACCEPT; iptables -A FORWARD -s 192.0.2.0/24 -j DROP
"""


class Host:
    """A network with nft and iptables, and what gives it rules."""

    def __init__(self, network: NetworkNamespace) -> None:
        self.network = network
        self.ran: list[str] = []
        self.loader = Loader(self._run)

    async def _run(self, argv: Sequence[str], text: bytes) -> subprocess.CompletedProcess[bytes]:
        self.ran.append(argv[0])
        return subprocess.run([*self.network.prefix, *argv], input=text, capture_output=True)

    def load(self, transaction: Transaction) -> None:
        asyncio.run(self.loader.load(transaction))

    def state(self) -> list[str]:
        """All rules, without counters and comments."""
        shown = [
            line
            for program in ("iptables-save", "ip6tables-save")
            for line in self.network.run(program, "-t", "filter").splitlines()
            if not line.startswith(("#", ":INPUT", ":FORWARD", ":OUTPUT"))
        ]
        return shown + self.network.run("nft", "list", "tables", "bridge").splitlines()

    def names(self) -> str:
        return "\n".join(self.state())


@pytest.fixture
def host() -> Iterator[Host]:
    with NetworkNamespace(SETUP) as network:
        yield Host(network)


def rules(port: str, match: str) -> Transaction:
    text = f"<filter name='f'><rule action='drop' direction='out'>{match}</rule></filter>"
    return ruleset(FilterReference(filter="f"), {"f": parse_filter(text)}.get, port, {})


def test_ports_come_and_go_and_leave_nothing(host: Host) -> None:
    before = host.state()
    host.load(rules("vnet1", "<tcp/>"))
    one = host.state()
    both = rules("vnet1", "<tcp/>") + rules("vnet10", "<all-ipv6 comment='-j \"x\" $y'/>")
    host.load(both)
    two = host.state()
    host.load(both)  # whoever does not know whether it was done does it again
    assert host.state() == two
    assert all(line in two for line in FOREIGN)
    assert "-A FI-vnet1 -p tcp -j DROP" in two
    assert '-A FI-vnet10 -m comment --comment "-j \\"x\\" $y" -j DROP' in two
    host.load(removal("vnet10"))
    assert host.state() == one
    host.load(rules("vnet1", "<mac/>"))
    assert "libvirt" not in host.names()
    host.load(removal("vnet1"))
    assert host.state() == before
    # What is known to have no rules for packets is not looked at.
    host.ran.clear()
    host.load(rules("vnet1", "<mac/>"))
    assert host.ran == ["nft"]


def test_all_or_nothing(host: Host) -> None:
    host.load(rules("vnet1", "<tcp dstportstart='1'/>") + rules("vnet2", "<udp-ipv6/>"))
    before = host.state()
    wanted = rules("vnet1", "<tcp/>") + rules("vnet2", "<all/>") + rules("vnet3", "<all-ipv6/>")
    broken = {"add": {"rule": {"family": "bridge", "table": "none", "chain": "none"}}}
    with pytest.raises(InternalError, match="Failed to apply firewall rules nft"):
        host.load(wanted + Transaction([broken]))
    assert host.state() == before
    with pytest.raises(InternalError, match="Failed to apply firewall rules ip6tables-restore"):
        host.load(wanted + rules("vnet4", "<all-ipv6 ipset='none'/>"))
    assert host.state() == before
    with pytest.raises(InternalError, match="Failed to apply firewall rules iptables-restore"):
        host.load(wanted + rules("vnet4", "<tcp srcportstart='9' srcportend='5'/>"))
    assert host.state() == before


def test_without_iptables(host: Host) -> None:
    async def run(argv: Sequence[str], text: bytes) -> subprocess.CompletedProcess[bytes]:
        if argv[0] != "nft":
            raise FileNotFoundError(argv[0])
        return subprocess.run([*host.network.prefix, *argv], input=text, capture_output=True)

    host.loader = Loader(run)
    host.load(rules("vnet1", "<mac/>"))
    with pytest.raises(InternalError, match="ip6tables, which is not installed"):
        host.load(rules("vnet1", "<all-ipv6/>"))
    host.load(removal("vnet1"))
