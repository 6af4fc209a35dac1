# SPDX-License-Identifier: Apache-2.0
"""What administrators write for ifupdown, read as far as documents can say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from virloom.drivers.interface.configurators.ifupdown import file_name
from virloom.drivers.interface.configurators.stanzas import Stanzas
from virloom.xml import format_document

MAIN = """\
# auto eth9
auto lo eth0
iface lo inet loopback
iface eth0 inet static
    address 192.0.2.5
    netmask 255.255.255.0
    gateway 192.0.2.1
iface eth0 inet6 auto
allow-hotplug eth1
iface eth1 inet \\
    dhcp
source-directory more.d
mapping eth*
    script x
iface br0 inet manual
    bridge_ports eth2 eth3
iface bond0 inet manual
    bond-slaves eth4
    hwaddress ether 52:54:00:00:00:01
iface bond0.7 inet manual
    vlan-raw-device bond0
    mtu 1400
iface eth0:1 inet dhcp
"""


def test_stanzas(tmp_path: Path) -> None:
    main = tmp_path / "interfaces"
    main.write_text(MAIN)
    (tmp_path / "more.d").mkdir()
    (tmp_path / "more.d/one").write_text("source ../interfaces\nauto eth5\niface eth5 inet dhcp\n")
    (tmp_path / "more.d/ignored.cfg").write_text("iface eth6 inet dhcp\n")
    (tmp_path / "more.d/ours").write_text("iface eth7 inet dhcp\n")
    found = Stanzas.read(main).interfaces(lambda path: path.name == "ours")
    assert sorted(found) == ["bond0", "bond0.7", "br0", "eth0", "eth1", "eth5"]
    assert found["eth0"].place == f"{main}:4"
    starts = {name: one.model.start.mode for name, one in found.items()}
    assert (starts["eth0"], starts["eth1"], starts["br0"]) == ("onboot", "hotplug", "none")
    text = "".join(format_document(found[name].model) for name in sorted(found))
    for words in (
        "<ip address='192.0.2.5' prefix='24'/>", "<route gateway='192.0.2.1'/>", "<autoconf/>",
        "<interface type='ethernet' name='eth3'>", "<mac address='52:54:00:00:00:01'/>",
        "<vlan tag='7'>", "<interface name='bond0'/>", "<mtu size='1400'/>", "<dhcp/>",
    ):  # fmt: skip
        assert words in text


@pytest.mark.parametrize(
    ("line", "name", "read"),
    [
        ("source interfaces.d/*", "virloom-br0", True),
        ("source-directory interfaces.d", "virloom-br0", True),
        ("source-directory interfaces.d", "virloom.br0", False),
        ("source interfaces.d/*.cfg", "virloom-br0", False),
        ("source /elsewhere/*", "virloom-br0", False),
        ("auto lo", "virloom-br0", False),
    ],
)
def test_what_would_be_read(tmp_path: Path, line: str, name: str, read: bool) -> None:
    (tmp_path / "interfaces").write_text(f"{line}\n")
    stanzas = Stanzas.read(tmp_path / "interfaces")
    assert stanzas.would_read(tmp_path / "interfaces.d" / name) is read


def test_no_two_names_meet() -> None:
    names = ["a.b", "a-b", "a--b", "a-_b", "a_b", "a.-b", "a-.b", "a-"]
    assert len({file_name(name) for name in names}) == len(names)
