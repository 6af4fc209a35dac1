# SPDX-License-Identifier: Apache-2.0
"""Interfaces that this machine's kernel lacks (bonds, VLANs), in a guest whose kernel has them.

There they are described as the kernel has them, and made by ifupdown and by NetworkManager.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.networkmanager import BUS, CONFIGURATION
from tests.system.hostguest import HostGuest

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the guest has this machine's files: needs root"),
    pytest.mark.timeout(300),
]
BIN = Path(sys.executable).parent

#: Where each daemon has its files, by who configures the host.
ROOTS = {"ifupdown": "/run/own", "networkmanager": "/run/managed"}
FILES = {
    "ifupdown": "etc/network/interfaces.d",
    "networkmanager": "etc/NetworkManager/system-connections",
}


def virsh(root: str) -> str:
    return f"virsh -c interface:///system?socket={root}/run/libvirt/virtinterfaced-sock"


DAEMON = f"""
{BIN}/virtinterfaced --root $root >$root/log 2>&1 &
for i in $(seq 300); do [ -S $root/run/libvirt/virtinterfaced-sock ] && exit 0; sleep .2; done
cat $root/log; exit 1
"""
IFUPDOWN = """
root=/run/own
mkdir -p $root/etc/network/interfaces.d
echo 'source interfaces.d/*' >$root/etc/network/interfaces
"""
#: Without udev, see :data:`~tests.interop.networkmanager.PREPARED`.
MANAGER = f"""
root={ROOTS["networkmanager"]}
mkdir -p $root/etc/NetworkManager/system-connections $root/run/NetworkManager
cat >$root/bus.conf <<'END'
{BUS.format(root=ROOTS["networkmanager"])}
END
cat >$root/nm.conf <<'END'
{CONFIGURATION.format(root=ROOTS["networkmanager"])}
END
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$root/bus
dbus-daemon --config-file=$root/bus.conf --fork
unshare --mount sh -c 'mount -o remount,ro /sys && exec NetworkManager --config='$root/nm.conf
for i in $(seq 300); do nmcli general status && break; sleep .2; done
"""

BRIDGE = """
<interface type='bridge' name='br9'>
 <protocol family='ipv4'><ip address='192.168.9.1' prefix='24'/></protocol>
 <bridge>
  <interface type='vlan' name='w0.7'><vlan tag='7'><interface name='w0'/></vlan></interface>
  <interface type='bond' name='bond9'><bond mode='active-backup'>
   <miimon freq='50' updelay='100' carrier='netif'/>
   <interface type='ethernet' name='w1'/><interface type='ethernet' name='w2'/></bond></interface>
 </bridge></interface>
"""
LINKS = """
for port in w0 w1 w2; do
    ip link add $port type veth peer name ${port}p
    ip link set ${port}p up
done
ip link add bond0 type bond mode active-backup miimon 100
for port in eth0 eth1; do
    ip link add $port type veth peer name ${port}p
    ip link set $port master bond0
    ip link set ${port}p up
done
ip link add link bond0 name bond0.5 type vlan id 5
ip link set bond0 up
ip link set bond0.5 up
"""


@pytest.fixture(scope="module")
def guest(installed: None) -> Iterator[HostGuest]:
    with HostGuest(("bonding", "8021q", "veth")) as started:
        started.run(LINKS)
        started.run(IFUPDOWN + DAEMON)
        started.run(MANAGER + DAEMON)
        yield started


@pytest.mark.long
def test_a_bond_and_a_vlan_are_described(guest: HostGuest) -> None:
    told = guest.run(
        f"{virsh('/run/own')} 'iface-list; iface-dumpxml bond0; iface-dumpxml bond0.5'"
    )
    assert [line.split()[0] for line in told.splitlines()[2:6] if line] == [
        "bond0", "bond0.5", "eth0p", "eth1p"
    ]  # fmt: skip
    assert "<bond mode='active-backup'>\n    <miimon freq='100' " in told
    assert told.count("<interface type='ethernet' name='eth") == 2
    assert "<vlan tag='5'>\n    <interface name='bond0'/>" in told
    assert "error:" not in told


@pytest.mark.long
@pytest.mark.parametrize("configurator", ROOTS)
def test_a_bond_and_a_vlan_are_made(guest: HostGuest, configurator: str) -> None:
    root = ROOTS[configurator]
    told = guest.run(f"""
cat >/run/br9.xml <<'END'
{BRIDGE}
END
{virsh(root)} 'iface-define /run/br9.xml; iface-start br9'
ip -d link show bond9; ip -d link show w0.7; ip -br address show br9; bridge link; ip -br link
""")
    for words in (
        "bond mode active-backup", "miimon 50 updelay 100", "vlan protocol 802.1Q id 7",
        "192.168.9.1/24", "w0.7@w0: ", "bond9: ", "master br9", "w0@w0p",
    ):  # fmt: skip
        assert words in told, told
    for port in ("w1", "w2"):
        assert "master bond9" in guest.run(f"ip link show {port}")
    left = guest.run(f"{virsh(root)} 'iface-destroy br9; iface-undefine br9' || true; ip -br link")
    for name in ("br9", "bond9", "w0.7"):
        assert f"\n{name}" not in left
    assert guest.run(f"ls {root}/{FILES[configurator]}") == ""
