# SPDX-License-Identifier: Apache-2.0
"""What the real netplan makes of our files, and systemd-networkd of what it makes.

``netplan apply`` needs systemd as the host's init, which no test here has.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.namespace import NetworkNamespace
from tests.interop.test_interface_changes import BRIDGE, ETHERNET, Host, running
from tests.unit.drivers.interface.documents import BOND, EVERYTHING, VLAN, model
from virloom.drivers.interface.configurators.netplan import Netplan

pytestmark = [
    pytest.mark.skipif(shutil.which("virsh") is None, reason="needs virsh"),
    pytest.mark.skipif(shutil.which("netplan") is None, reason="needs netplan.io"),
]

HARDWARE = """
<interface type='ethernet' name='eth0'><start mode='onboot'/>
 <mac address='52:54:00:00:00:09'/><mtu size='1300'/>
 <protocol family='ipv4'><ip address='192.0.2.5' prefix='24'/><route gateway='192.0.2.1'/>
 </protocol>
 <protocol family='ipv6'><dhcp peerdns='no'/><ip address='2001:db8::1' prefix='64'/>
  <route gateway='2001:db8::2'/></protocol></interface>
"""
DELAYED = "<interface type='bridge' name='br0'><bridge stp='{}' delay='{}'/></interface>"
WATCHED = """
<interface type='bond' name='bond0'><mtu size='1400'/>
 <bond mode='802.3ad'><miimon freq='100' carrier='netif'/>
  <interface type='ethernet' name='eth0'/><interface type='ethernet' name='eth1'/></bond>
</interface>
"""
NETWORKD = "/lib/systemd/systemd-networkd"
#: Without udev: networkd does not wait for it where ``/sys`` cannot be written.
DEVICES = """
for n in 0 1 2; do
    ip link add e$n type veth peer name p$n
    ip link set p$n up
done
mount -o remount,ro /sys
mount -t tmpfs run /run
mkdir -p /run/systemd/network /run/systemd/netif
chown systemd-network:systemd-network /run/systemd/netif
cp {root}/run/systemd/network/* /run/systemd/network
chmod -R a+rX /run/systemd
"""
ONE_BOND = """
<interface type='bond' name='{}'><bond><interface type='ethernet' name='e1'/></bond></interface>
"""
ONE_VLAN = """
<interface type='vlan' name='v7'><vlan tag='7'><interface name='bond7'/></vlan></interface>
"""
#: Document, and lines of networkd's files by the devices that they are of.
CASES = {
    "everything": (
        EVERYTHING,
        {
            "br0.netdev": ["Kind=bridge", "STP=true", "ForwardDelaySec=2"],
            "br0.network": [
                "MTUBytes=1400", "DHCP=ipv4", "UseDNS=false", "IPv6AcceptRA=yes",
                "Address=192.0.2.5/24", "Address=2001:db8::5/128", "Gateway=192.0.2.1",
            ],
            "eth2.network": ["MACAddress=52:54:00:00:00:02", "Bridge=br0"],
            "eth3.network": ["VLAN=eth3.7"],
            "eth3.7.netdev": ["Kind=vlan", "Id=7"],
            "eth3.7.network": ["Bridge=br0"],
            "bond0.netdev": [
                "Kind=bond", "Mode=active-backup", "MIIMonitorSec=100ms", "UpDelaySec=200ms",
                "DownDelaySec=300ms",
            ],
            "bond0.network": ["Bridge=br0"],
            "eth0.network": ["Bond=bond0"],
            "eth1.network": ["Bond=bond0"],
        },
    ),
    "bond": (
        BOND,
        {
            "bond1.netdev": [
                "MACAddress=52:54:00:00:00:09", "Mode=balance-rr", "ARPIntervalSec=500ms",
                "ARPIPTargets=192.0.2.9", "ARPValidate=active",
            ],
            "bond1.network": ["ActivationPolicy=manual", "RequiredForOnline=no"],
            "eth0.network": ["Bond=bond1"],
        },
    ),
    "watched": (
        WATCHED,
        {"bond0.netdev": ["Mode=802.3ad", "MIIMonitorSec=100ms", "MTUBytes=1400"]},
    ),
    "vlan": (
        VLAN,
        {
            "eth0.network": ["VLAN=eth0.42"],
            "eth0.42.netdev": ["Id=42"],
            "eth0.42.network": ["DHCP=ipv4", "RequiredForOnline=no"],
        },
    ),
    "hardware": (
        HARDWARE,
        {
            "eth0.link": ["MTUBytes=1300"],
            "eth0.network": [
                "MACAddress=52:54:00:00:00:09", "MTUBytes=1300", "DHCP=ipv6", "UseDNS=false",
                "Address=192.0.2.5/24", "Address=2001:db8::1/64", "Gateway=192.0.2.1",
                "Gateway=2001:db8::2", "Destination=0.0.0.0/0", "Destination=::/0",
            ],
        },
    ),
    "delay": (DELAYED.format("off", "2.5"), {"br0.netdev": ["ForwardDelaySec=2500ms"]}),
    "no delay": (DELAYED.format("off", "0"), {"br0.netdev": ["STP=false", "ForwardDelaySec=0"]}),
}  # fmt: skip


def generate(root: Path, *documents: str) -> dict[str, list[str]]:
    """The lines of networkd's files that netplan makes of ours below *root*."""
    netplan = Netplan(root / "etc/netplan")
    netplan.directory.mkdir(parents=True)
    for document in documents:
        for name, text in netplan.files(model(document)).items():
            (netplan.directory / name).write_text(text)
            (netplan.directory / name).chmod(netplan.mode)
    done = subprocess.run(
        ["netplan", "generate", "--root-dir", str(root)], capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    made = (root / "run/systemd/network").iterdir()
    return {path.name.removeprefix("10-netplan-"): path.read_text().splitlines() for path in made}


@pytest.mark.parametrize("case", CASES)
def test_netplan_reads_what_is_meant(case: str, tmp_path: Path) -> None:
    document, wanted = CASES[case]
    made = generate(tmp_path, document)
    missing = {name: set(lines) - set(made.get(name, [])) for name, lines in wanted.items()}
    assert not any(missing.values()), (missing, made)


def test_a_vlan_over_a_bond_of_ours(tmp_path: Path) -> None:
    over = VLAN.replace("'eth0'", "'bond0'").replace("eth0.42", "v42")
    made = generate(tmp_path, WATCHED, over)
    assert "VLAN=v42" in made["bond0.network"]


def test_networkd_does_what_is_meant(tmp_path: Path) -> None:
    """A bridge, a device, and one that does not start with the host."""
    by_hand = ETHERNET.format(name="e2").replace("onboot", "none")
    bridge = BRIDGE.format(name="br0", port="e0")
    generate(tmp_path, bridge, ETHERNET.format(name="e1"), by_hand)

    def shown(*words: str) -> str:
        return network.ask("ip", "-d", *words)[1]

    with NetworkNamespace(DEVICES.format(root=tmp_path)) as network:
        with (tmp_path / "networkd.log").open("wb") as log:
            networkd = subprocess.Popen(
                [*network.prefix, NETWORKD], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            until(lambda: "master br0" in shown("link", "show", "e0"))
            until(lambda: "192.168.80.1/24" in shown("address", "show", "e1"))
            until(lambda: "192.168.77.254 dev br0" in shown("route", "show", "default"))
            until(lambda: "mtu 1400" in shown("link", "show", "br0"))
            told = shown("address", "show", "br0")
            for words in (
                "stp_state 1", "forward_delay 400 ", "192.168.77.1/24",
                "192.168.78.1/24", "2001:db8:77::1/64",
            ):  # fmt: skip
                assert words in told
            assert "52:54:00:aa:00:01" in shown("link", "show", "e1")
            assert ",UP" not in shown("link", "show", "e2")
        finally:
            networkd.terminate()
            networkd.wait(30)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def host() -> Iterator[Host]:
    with running("netplan") as made:
        yield made


def test_what_netplan_refuses_is_not_defined(host: Host) -> None:
    """One refused file would have netplan do nothing at all when the host boots."""
    host.virsh("iface-define", ETHERNET.format(name="e0"))
    assert "changes device type" in host.refused("iface-define", ONE_BOND.format("admin0"))
    assert host.files() == ["10-admin.yaml", "90-virloom-e0.yaml"]
    host.virsh("iface-define", ONE_BOND.format("bond7"))
    host.virsh("iface-define", ONE_VLAN)
    assert "'bond7' is not defined" in host.refused("iface-undefine bond7")
    assert "bond7" in host.listed()
    for name in ("v7", "bond7", "e0"):
        host.virsh(f"iface-undefine {name}")
    assert host.files() == ["10-admin.yaml"]
