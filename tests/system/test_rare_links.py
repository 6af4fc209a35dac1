# SPDX-License-Identifier: Apache-2.0
"""Interfaces that this machine's kernel lacks (bonds, VLANs), in a guest whose kernel has them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.hostguest import HostGuest

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the guest has this machine's files: needs root"),
    pytest.mark.timeout(300),
]
BIN = Path(sys.executable).parent

LINKS = """
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
        yield started


def test_a_bond_and_a_vlan_are_described(guest: HostGuest) -> None:
    guest.run(f"""
mkdir /run/own
{BIN}/virtinterfaced --root /run/own >/run/log 2>&1 &
for i in $(seq 300); do [ -S /run/own/run/libvirt/virtinterfaced-sock ] && exit 0; sleep .2; done
cat /run/log; exit 1
""")
    virsh = "virsh -c interface:///system?socket=/run/own/run/libvirt/virtinterfaced-sock"
    told = guest.run(f"{virsh} 'iface-list; iface-dumpxml bond0; iface-dumpxml bond0.5'")
    assert [line.split()[0] for line in told.splitlines()[2:6] if line] == [
        "bond0", "bond0.5", "eth0p", "eth1p"
    ]  # fmt: skip
    assert "<bond mode='active-backup'>\n    <miimon freq='100' " in told
    assert told.count("<interface type='ethernet' name='eth") == 2
    assert "<vlan tag='5'>\n    <interface name='bond0'/>" in told
    assert "error:" not in told
