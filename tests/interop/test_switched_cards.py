# SPDX-License-Identifier: Apache-2.0
"""Guests' cards on a bridge of Open vSwitch: virsh, virtqemud, virtnetworkd, a real switch.

The switch forwards in its own process (its ``netdev`` datapath), so that no kernel module is
needed. What it would do with a frame it says itself (``ofproto/trace``).
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs
from tests.interop.test_direct_cards import create, pid_of
from tests.interop.test_ethernet_cards import PLACE, USB
from tests.interop.test_guests_on_networks import Host

pytestmark = [
    *needs("dnsmasq", root=True),
    *needs("ovs-vswitchd", root=True),
    pytest.mark.timeout(120),
]

_SETUP = """
for place in /run/openvswitch /etc/openvswitch /var/log/openvswitch; do
    mkdir -p $place; mount -t tmpfs -o mode=755 private $place
done
ovsdb-tool create /etc/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server --remote=punix:/run/openvswitch/db.sock --pidfile --detach >/dev/null 2>&1
ovs-vsctl --no-wait init
ovs-vswitchd --pidfile --detach >/dev/null 2>&1
ovs-vsctl add-br switch -- set bridge switch datapath_type=netdev
ip link add plain type bridge; ip link set plain up
ip link add wire type veth peer name far; ip link set wire up; ip link set far up
ovs-vsctl add-port switch wire
"""
NETWORK = """<network><name>switched</name><forward mode='bridge'/><bridge name='switch'/>
<virtualport type='openvswitch'/>
<portgroup name='staff' default='yes'><vlan><tag id='7'/></vlan></portgroup></network>"""
PORT = "<virtualport type='openvswitch'/>"
TRUNK = "<vlan trunk='yes'><tag id='42' nativeMode='untagged'/><tag id='47'/></vlan>"


@pytest.fixture(scope="module")
def space() -> Iterator[NetworkNamespace]:
    with NetworkNamespace(_SETUP) as made:
        try:
            yield made
        finally:
            for daemon in ("ovs-vswitchd", "ovsdb-server"):
                made.run("ovs-appctl", "-t", daemon, "exit")


@pytest.fixture
def host(space: NetworkNamespace) -> Iterator[Host]:
    root = Path(tempfile.mkdtemp(prefix="sc"))
    root.chmod(0o755)
    made = Host(space, root)
    made.networks.start()
    made.qemu.start()
    made.virsh("net-define", made.document(NETWORK))
    made.virsh("net-start", "switched")
    try:
        yield made
        for name in made.virsh("list", "--name").split():
            made.virsh("destroy", name)
    finally:
        assert made.qemu.signal(signal.SIGTERM) == 0, made.qemu.log()
        assert made.networks.signal(signal.SIGTERM) == 0, made.networks.log()
    assert ports(made) == ["wire"]
    assert asked(made, "--columns=_uuid", "find", "qos") == ""
    assert asked(made, "--columns=_uuid", "find", "queue") == ""
    assert not list((root / "run/libvirt/qemu").glob("*.partings"))
    shutil.rmtree(root)


def asked(host: Host, *words: str) -> str:
    """What the switch's database says."""
    return host.space.run("ovs-vsctl", "--no-heading", *words).strip()


def ports(host: Host) -> list[str]:
    """What the switch has of ports."""
    return asked(host, "list-ports", "switch").split()


def card(number: int, more: str, bridge: str = "switch", model: str = "virtio") -> str:
    """A card on the bridge."""
    return (
        f"<interface type='bridge'><mac address='52:54:00:00:dd:0{number}'/>"
        f"<source bridge='{bridge}'/>{more}<model type='{model}'/></interface>"
    )


def reached_by(host: Host, vlan: int) -> set[str]:
    """Ports that a frame to everybody goes out of, which comes by the wire with that tag."""
    numbers = {asked(host, "get", "Interface", port, "ofport"): port for port in ports(host)}
    (wire,) = (number for number, port in numbers.items() if port == "wire")
    frame = f"in_port={wire},dl_vlan={vlan},dl_src=52:54:00:00:dd:99,dl_dst=ff:ff:ff:ff:ff:ff"
    told = host.space.run("ovs-appctl", "ofproto/trace", "switch", frame)
    found = re.search(r"Datapath actions: (.*)", told)
    assert found is not None, told
    table = host.space.run("ovs-appctl", "dpif/show")
    paths = dict(re.findall(r"(\S+) \d+/(\d+):", table))
    out = re.findall(r"(?:^|,)(\d+)(?=,|$)", found[1])
    return {port for port in ports(host) if paths[port] in out}


def test_the_switch_knows_the_cards(host: Host) -> None:
    own = "<vlan><tag id='42'/></vlan>"
    given = "<parameters interfaceid='7d15ae2f-8a0c-4e2d-9a0c-0c8e2b9c2c11' profileid='a \"b\"'/>"
    named = PORT.replace("/>", f">{given}</virtualport>")
    grouped = "<interface type='network'><mac address='52:54:00:00:dd:03'/>"
    grouped += "<source network='switched'/><model type='virtio'/></interface>"
    create(host, "one", USB + card(1, PORT + own) + card(2, named + TRUNK) + grouped)
    assert reached_by(host, 42) == {"vnet0", "vnet1"}
    assert reached_by(host, 47) == {"vnet1"}
    assert reached_by(host, 7) == {"vnet2"}
    assert asked(host, "get", "Port", "vnet1", "vlan_mode") == "native-untagged"
    document = host.virsh("dumpxml", "one")
    uuid = host.virsh("domuuid", "one")
    known = asked(host, "get", "Interface", "vnet1", "external-ids")
    assert f'vm-id="{uuid}"' in known
    assert 'iface-id="7d15ae2f-8a0c-4e2d-9a0c-0c8e2b9c2c11"' in known
    assert 'attached-mac="52:54:00:00:dd:02"' in known
    assert r'port-profile="a \"b\""' in known
    network = document[document.index("network='switched'") :]
    assert re.search(r"<tag id='7'/>.*openvswitch'>\s*<parameters interfaceid='", network, re.S)
    _is_changed(host, document)
    host.qemu.signal(signal.SIGKILL)
    host.qemu.start()
    assert len(ports(host)) == 4
    host.virsh("destroy", "one")
    assert host.ports("switched") == []
    _dies_unseen(host)


def _is_changed(host: Host, document: str) -> None:
    """Its VLAN and its limits, while it runs."""
    first = re.findall(r"<interface.*?</interface>", document, re.S)[0]
    host.virsh("update-device", "one", host.document(first.replace("'42'", "'43'")), "--live")
    assert reached_by(host, 42) == {"vnet1"}
    assert reached_by(host, 43) == {"vnet0"}
    host.virsh("domiftune", "one", "vnet0", "--inbound", "1000,2000,64", "--outbound", "500")
    assert asked(host, "get", "Interface", "vnet0", "ingress_policing_rate") == "4000"
    limits = asked(host, "--columns=other_config", "find", "queue")
    assert 'max-rate="16000000", min-rate="8000000"' in limits
    host.virsh("domiftune", "one", "vnet0", "--inbound", "300", "--outbound", "0")
    assert asked(host, "get", "Interface", "vnet0", "ingress_policing_rate") == "0"
    assert '{min-rate="2400000"}' in asked(host, "--columns=other_config", "find", "queue")
    elsewhere = first.replace("'switch'", "'plain'")
    refused = host.qemu.try_virsh("update-device", "one", host.document(elsewhere), "--live")
    assert "Operation not supported" in refused.stderr
    usb = card(8, PORT + PLACE, model="usb-net")  # it needs no help of the guest to go
    host.virsh("attach-device", "one", host.document(usb), "--live")
    assert "vnet3" in ports(host)
    host.virsh("detach-device", "one", host.document(usb), "--live")
    assert "vnet3" not in ports(host)


def _dies_unseen(host: Host) -> None:
    limited = "<bandwidth><inbound average='1000'/></bandwidth>"
    create(host, "two", card(4, PORT + limited))
    host.qemu.signal(signal.SIGKILL)
    subprocess.run(["kill", "-9", pid_of(host, "two")], check=True)
    host.qemu.start()
    assert ports(host) == ["wire"]


def test_what_is_refused(host: Host) -> None:
    create(host, "three")
    for document, words in (
        (card(5, "<vlan><tag id='42'/></vlan>", "plain"), "vlan tag not supported"),
        (card(5, PORT, "plain"), "internal error: Unable to add port"),
        (card(5, PORT + "<filterref filter='clean-traffic'/>"), "filterref is not supported"),
        (card(5, PORT + "<port isolated='yes'/>"), "isolated='yes'"),
        (card(5, "<virtualport type='802.1Qbg'/>"), "has no managerid"),
    ):
        refused = host.qemu.try_virsh("attach-device", "three", host.document(document))
        assert words in refused.stderr, refused.stderr
        assert ports(host) == ["wire"]
