# SPDX-License-Identifier: Apache-2.0
"""What the real NetworkManager reads in our files; it brings none of them up."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.namespace import NetworkNamespace
from tests.interop.networkmanager import PREPARED, networkmanager
from tests.unit.drivers.interface.documents import BOND, EVERYTHING, VLAN, model
from virloom.drivers.interface.configurators.networkmanager import NetworkManager

pytestmark = pytest.mark.skipif(shutil.which("nmcli") is None, reason="needs network-manager")

WAY_OUT = """
<interface type='ethernet' name='eth9'><start mode='none'/>
 <protocol family='ipv4'><dhcp peerdns='no'/><route gateway='192.0.2.1'/></protocol>
 <protocol family='ipv6'><dhcp/><route gateway='2001:db8::1'/></protocol></interface>
"""
#: Document, and what the connection that is named has.
CASES = {
    "bridge": (EVERYTHING, "br0", {
        "bridge.stp": "yes", "bridge.forward-delay": "2", "802-3-ethernet.mtu": "1400",
        "ipv4.method": "auto", "ipv4.addresses": "192.0.2.5/24", "ipv4.ignore-auto-dns": "yes",
        "ipv4.routes": "0.0.0.0/0 192.0.2.1", "ipv6.addresses": "2001:db8::5/128",
    }),
    "port": (EVERYTHING, "eth2", {
        "connection.master": "br0", "802-3-ethernet.cloned-mac-address": "52:54:00:00:00:02",
    }),
    "bond of a bridge": (EVERYTHING, "bond0", {
        "connection.master": "br0", "connection.autoconnect-slaves": "1",
        "bond.options": "mode=active-backup,downdelay=300,miimon=100,updelay=200,use_carrier=1",
    }),
    "vlan of a bridge": (EVERYTHING, "eth3.7", {"vlan.parent": "eth3", "vlan.id": "7"}),
    "bond": (BOND, "bond1", {
        "connection.autoconnect": "no", "802-3-ethernet.cloned-mac-address": "52:54:00:00:00:09",
        "bond.options": "mode=balance-rr,arp_interval=500,arp_ip_target=192.0.2.9,"
        "arp_validate=active",
    }),
    "part": (BOND, "eth0", {"connection.master": "bond1", "connection.autoconnect": "no"}),
    "vlan": (VLAN, "eth0.42", {"vlan.id": "42", "ipv4.method": "auto", "ipv6.method": "disabled"}),
    "ways out without addresses": (WAY_OUT, "eth9", {
        "ipv4.routes": "0.0.0.0/0 192.0.2.1", "ipv6.routes": "::/0 2001:db8::1",
        "ipv4.method": "auto", "ipv6.method": "dhcp",
    }),
}  # fmt: skip


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """Below it, NetworkManager has its connections and its bus."""
    made = Path(tempfile.mkdtemp(prefix="vi"))
    with NetworkNamespace(PREPARED) as network, networkmanager(made, network.prefix):
        yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("case", CASES)
def test_it_reads_what_is_meant(case: str, root: Path) -> None:
    document, device, wanted = CASES[case]
    configurator = NetworkManager(root / "etc/NetworkManager/system-connections")
    described = model(document)
    configurator.check(described)
    paths = []
    for name, text in configurator.files(described).items():
        paths.append(configurator.directory / name)
        paths[-1].write_text(text)
        paths[-1].chmod(configurator.mode)
    assert nmcli(root, "connection", "load", *map(str, paths)) == ""
    shown = ("-t", "-e", "no", "-f", ",".join(wanted), "connection", "show", f"virloom-{device}")
    told = dict(line.split(":", 1) for line in nmcli(root, *shown).splitlines())
    assert told == wanted


def nmcli(root: Path, *words: str) -> str:
    """What it prints, which is nothing where it could load all."""
    environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={root}/bus"}
    return subprocess.run(
        ["nmcli", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=30, check=True, env=environment,
    ).stdout  # fmt: skip
