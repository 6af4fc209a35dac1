# SPDX-License-Identifier: Apache-2.0
"""Networks of embedded roots: each root's in a namespace of its own, unseen by the host."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import virloom
from tests.system.conftest import embedded
from virloom.enums.domain import DomainCreateFlags
from virloom.errors import InvalidArg, NoNetwork, NoSupport
from virloom.testing.dialogue import Dialogue
from virloom.testing.documents import paused_guest_xml, tiny_guest_xml

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("dnsmasq") is None, reason="needs root and dnsmasq"
)

MAC = "52:54:00:00:bb:01"
NETWORK = """<network><name>inner</name><bridge name='virbr77' stp='off'/>
<ip address='10.77.7.1' prefix='24'><dhcp><range start='10.77.7.2' end='10.77.7.9'/></dhcp></ip>
</network>"""
CARD = f"<interface type='network'><mac address='{MAC}'/><source network='inner'/>"
CARD += "<model type='virtio'/></interface>"
OTHER = "<network><name>other</name><bridge name='virbr78' stp='off'/></network>"


@pytest.fixture
def roots(tmp_path: Path, installed: None) -> list[Path]:
    # dnsmasq reads its files as a user of its own, who has to get there.
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(0o755)
    return [tmp_path / "one", tmp_path / "two"]


def links() -> set[str]:
    """The links of this machine's own network."""
    return set(os.listdir("/sys/class/net"))


async def test_a_guest_on_a_network_that_the_host_does_not_see(roots: list[Path]) -> None:
    before = links()
    one, two = map(embedded, roots)
    async with virloom.open(one) as conn, virloom.open(two) as other:
        for connection in (conn, other):  # the same names and the same subnet
            network = await connection.networks.define_xml(NETWORK)
            await network.create()
        assert links() == before
        document = tiny_guest_xml("web", extra_devices=CARD)
        guest = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
        async with guest.console() as console:
            await guest.resume()
            dialogue = Dialogue(console)
            await dialogue.ready()
            await dialogue.ask("busybox ifconfig eth0 up")
            await dialogue.ask("busybox udhcpc -q -n -t 20 -T 1 -i eth0 -s /bin/true", 60)
        assert (await guest.interfaces.stats("vnet0")).rx_packets > 0
        found = await conn.networks.lookup_by_name("inner")
        async with asyncio.timeout(10):  # dnsmasq has it noted when the guest has it already
            while [lease.mac for lease in await found.dhcp_leases()] != [MAC]:
                await asyncio.sleep(0.05)
    async with virloom.open(one) as conn:  # the guest and its network went on
        guest = await conn.lookup_by_name("web")
        assert re.search(r"bridge='virbr77'/>\s*<target dev='vnet0'/>", await guest.xml_desc())
        await guest.destroy()
        await (await conn.networks.lookup_by_name("inner")).destroy()
    assert not (roots[0] / "run/network/space").exists()
    async with virloom.open(two) as other:
        await (await other.networks.lookup_by_name("inner")).destroy()
    assert links() == before


async def test_a_card_s_settings_are_made_where_the_card_is(roots: list[Path]) -> None:
    """Not on a link of the same name that the host may have."""
    settings = "<bandwidth><outbound average='1000'/></bandwidth><port isolated='yes'/>"
    card = CARD.replace("<model", f"{settings}<model")
    before = links()
    async with virloom.open(embedded(roots[0])) as conn:
        network = await conn.networks.define_xml(NETWORK)
        await network.create()
        empty = _inside(roots[0])
        document = paused_guest_xml("apart", extra_devices=card)
        guest = await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
        found = _inside(roots[0])
        data = found["vnet0"]["linkinfo"]["info_slave_data"]
        assert data["isolated"] is True
        other = await conn.networks.create_xml(OTHER)
        await guest.devices.update(card.replace("network='inner'", "network='other'"))
        moved = _inside(roots[0])["vnet0"]
        assert moved["master"] == "virbr78"
        assert moved["linkinfo"]["info_slave_data"]["isolated"] is True
        with pytest.raises(NoNetwork):
            await guest.devices.update(card.replace("network='inner'", "network='none'"))
        assert _inside(roots[0])["vnet0"]["master"] == "virbr78"
        await guest.destroy()
        await other.destroy()
        assert _inside(roots[0]).keys() == empty.keys()
        await network.destroy()
    assert links() == before


@pytest.mark.skipif(shutil.which("nft") is None, reason="needs nft")
async def test_filters_are_at_work_where_the_card_is(roots: list[Path]) -> None:
    """Those of a root's own, which find its guest's address out; the host has none of them."""
    root = roots[0]
    card = CARD.replace("<model", "<filterref filter='clean-traffic'/><model")
    own = (
        "<filter name='mine' chain='root'><rule action='drop' direction='in'><ip/></rule></filter>"
    )
    async with virloom.open(embedded(root)) as conn:
        await conn.nwfilters.define_xml(own)
        network = await conn.networks.define_xml(NETWORK)
        await network.create()
        document = paused_guest_xml("apart", extra_devices=card)
        await conn.create_xml(document, DomainCreateFlags.START_PAUSED)
        assert "vnet0" in _rules(root)
        assert "vnet0" not in _told(["nft", "list", "ruleset"])
        assert len(_told([*_prefix(root), "cat", "/proc/net/packet"]).splitlines()) == 2
    async with virloom.open(embedded(root)) as conn:  # its next owner
        assert [one.name for one in await conn.nwfilters.list() if one.name == "mine"]
        binding = await conn.nwfilter_bindings.lookup_by_port_dev("vnet0")
        assert binding.filter_name == "clean-traffic"
        assert "vnet0" in _rules(root)
        guest = await conn.lookup_by_name("apart")
        await guest.destroy()
        assert await conn.nwfilter_bindings.list() == []
        assert "vnet0" not in _rules(root)
        await (await conn.networks.lookup_by_name("inner")).destroy()


async def test_the_host_s_devices_and_interfaces_are_told(roots: list[Path]) -> None:
    async with virloom.open(embedded(roots[0])) as conn:
        assert "computer" in [device.name for device in await conn.node_devices.list()]
        assert "lo" in [interface.name for interface in await conn.interfaces.list()]
        with pytest.raises(NoSupport):
            await conn.interfaces.define_xml(
                "<interface type='bridge' name='b'><bridge/></interface>"
            )


def _prefix(root: Path) -> list[str]:
    pid = json.loads((root / "run/network/space").read_text())["pid"]
    return ["nsenter", f"--net=/proc/{pid}/ns/net"]


def _told(argv: list[str]) -> str:
    return subprocess.run(argv, capture_output=True, check=True, text=True).stdout


def _rules(root: Path) -> str:
    return _told([*_prefix(root), "nft", "list", "ruleset"])


def _inside(root: Path) -> dict[str, Any]:
    """The links of the root's own network, by name."""
    told = _told([*_prefix(root), "ip", "-j", "-d", "link"])
    return {link["ifname"]: link for link in json.loads(told)}


async def test_what_a_root_says_of_its_network(roots: list[Path]) -> None:
    with pytest.raises(InvalidArg, match="'private', 'pasta' or 'host', not 'none'"):
        async with virloom.open(f"{embedded(roots[0])}&network=none"):
            pass
    async with virloom.open(embedded(roots[0])) as conn:
        await conn.create_xml(paused_guest_xml("plain"), DomainCreateFlags.START_PAUSED)
        await (await conn.lookup_by_name("plain")).destroy()
    # Nobody has asked for networks: nothing was made for them.
    assert not (roots[0] / "run/network").exists()
