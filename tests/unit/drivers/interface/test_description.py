# SPDX-License-Identifier: Apache-2.0
"""Interfaces by what a kernel says; bonds and VLANs are of kernels that have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.drivers.interface.description import describe
from virloom.drivers.interface.driver import InterfaceDriver
from virloom.drivers.interface.links import Links
from virloom.errors import MultipleInterfaces, NoInterface, SystemFailure
from virloom.xml import format_document

VLAN = """eth0.42  VID: 42\t REORDER_HDR: 1  dev->priv_flags: 1021
         total frames received            0
Device: eth0
INGRESS priority mappings: 0:0  1:0
"""


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "sys/class/net").mkdir(parents=True)
    (tmp_path / "sys/class/net/bonding_masters").write_text("bond0\n")  # which is no device
    (tmp_path / "proc/net/vlan").mkdir(parents=True)
    return tmp_path


def links(host: Path) -> Links:
    return Links(host / "sys", host / "proc")


def add(host: Path, name: str, **attributes: str) -> None:
    """A device; ``__`` in the name of an attribute is a directory."""
    device = host / "sys/class/net" / name
    every = {"address": "52:54:00:00:00:01", "mtu": "1500", "operstate": "up", "uevent": ""}
    for key, text in {**every, **attributes}.items():
        path = device / key.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


def text(host: Path, name: str) -> str:
    return format_document(describe(links(host), name))


@pytest.mark.parametrize(
    ("state", "speed", "shown"),
    [
        ("up", "1000", "<link speed='1000' state='up'/>"),
        ("up", "-1", "<link speed='4294967295' state='up'/>"),
        ("up", "0", "<link state='up'/>"),
        ("down", "1000", "<link state='down'/>"),
        ("lowerlayerdown", "-1", "<link state='lowerlayerdown'/>"),
    ],
)
def test_a_speed_is_of_what_is_up(host: Path, state: str, speed: str, shown: str) -> None:
    add(host, "eth0", operstate=state, speed=speed)
    assert text(host, "eth0") == (
        "<interface type='ethernet' name='eth0'>\n"
        "  <mtu size='1500'/>\n"
        f"  {shown}\n"
        "  <mac address='52:54:00:00:00:01'/>\n"
        "</interface>\n"
    )


def test_a_vlan(host: Path) -> None:
    add(host, "eth0.42", uevent="DEVTYPE=vlan\nINTERFACE=eth0.42")
    (host / "proc/net/vlan/eth0.42").write_text(VLAN)
    assert text(host, "eth0.42") == (
        "<interface type='vlan' name='eth0.42'>\n"
        "  <mtu size='1500'/>\n"
        "  <vlan tag='42'>\n"
        "    <interface name='eth0'/>\n"
        "  </vlan>\n"
        "</interface>\n"
    )


def test_a_name_with_a_dot_makes_no_vlan(host: Path) -> None:
    add(host, "a.5")
    assert describe(links(host), "a.5").type == "ethernet"


def test_a_bond(host: Path) -> None:
    add(
        host, "bond0", uevent="DEVTYPE=bond", bonding__mode="active-backup 1",
        bonding__miimon="100", bonding__updelay="200", bonding__downdelay="0",
        bonding__use_carrier="1", bonding__arp_interval="0", bonding__slaves="eth1 eth0",
    )  # fmt: skip
    add(host, "eth0", operstate="down")
    add(host, "eth1", speed="1000", address="52:54:00:00:00:02")
    assert text(host, "bond0") == (
        "<interface type='bond' name='bond0'>\n"
        "  <mtu size='1500'/>\n"
        "  <bond mode='active-backup'>\n"
        "    <miimon freq='100' downdelay='0' updelay='200' carrier='netif'/>\n"
        "    <interface type='ethernet' name='eth1'>\n"
        "      <link speed='1000' state='up'/>\n"
        "      <mac address='52:54:00:00:00:02'/>\n"
        "    </interface>\n"
        "    <interface type='ethernet' name='eth0'>\n"
        "      <link state='down'/>\n"
        "      <mac address='52:54:00:00:00:01'/>\n"
        "    </interface>\n"
        "  </bond>\n"
        "</interface>\n"
    )


def test_a_bond_that_asks_by_arp(host: Path) -> None:
    add(
        host, "bond0", uevent="DEVTYPE=bond", bonding__mode="balance-rr 0", bonding__miimon="0",
        bonding__arp_interval="500", bonding__arp_ip_target="10.0.0.1",
        bonding__arp_validate="active 1", bonding__slaves="",
    )  # fmt: skip
    bond = describe(links(host), "bond0").bond
    assert bond is not None
    assert bond.miimon.freq is None
    monitor = bond.arpmon
    assert (monitor.interval, monitor.target, monitor.validate) == (500, "10.0.0.1", "active")


def test_guests_are_no_part_of_a_bridge(host: Path) -> None:
    add(
        host, "br0", uevent="DEVTYPE=bridge\nINTERFACE=br0",
        bridge__stp_state="1", bridge__forward_delay="200",
    )  # fmt: skip
    for port in ("vnet3", "vnetx", "eth0"):
        add(host, port)
        add(host, "br0", **{f"brif__{port}": ""})
    add(host, "br0", uevent="DEVTYPE=bridge")
    bridge = describe(links(host), "br0").bridge
    assert bridge is not None
    assert [port.name for port in bridge.interfaces] == ["eth0", "vnetx"]


def driver(host: Path) -> InterfaceDriver:
    return InterfaceDriver(links(host), "interface:///system")


def test_parts_and_taps_are_found_by_name_alone(host: Path) -> None:
    add(host, "eth0", master="")
    add(host, "tap0", tun_flags="0x2")
    add(host, "eth1", address="52:54:00:00:00:02")
    assert [one.name for one in driver(host).all] == ["eth1"]
    assert driver(host).find("tap0").name == "tap0"
    with pytest.raises(NoInterface):
        driver(host).find_mac("52:54:00:00:00:01")


def test_an_address_of_two(host: Path) -> None:
    add(host, "eth0")
    add(host, "eth1")
    with pytest.raises(MultipleInterfaces) as caught:
        driver(host).find_mac("52:54:00:00:00:01")
    assert "eth0, eth1" in caught.value.message


@pytest.mark.parametrize("name", ["", ".", "..", "../net/eth0", "eth0/", "bonding_masters", "x\0y"])
def test_a_name_is_no_path(host: Path, name: str) -> None:
    add(host, "eth0")
    for ask in (driver(host).find, driver(host).describe):
        with pytest.raises(NoInterface):
            ask(name)


def test_a_host_without_sysfs(tmp_path: Path) -> None:
    for ask in (lambda one: one.all, lambda one: one.find("lo"), lambda one: one.describe("lo")):
        with pytest.raises(SystemFailure, match="class/net"):
            ask(driver(tmp_path))
