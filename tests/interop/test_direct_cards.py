# SPDX-License-Identifier: Apache-2.0
"""Guests' cards directly on a link of the host: virsh, virtqemud, virtnetworkd, macvtaps."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs
from tests.interop.test_guests_on_networks import Host
from virloom.testing.documents import paused_guest_xml

pytestmark = [*needs("dnsmasq", root=True), pytest.mark.timeout(120)]

_SETUP = """
ip link add wire type veth peer name far; ip link set far up
ip link add wire2 type veth peer name far2; ip link set far2 up
"""
NETWORK = """<network><name>direct</name><forward mode='private'><interface dev='wire2'/></forward>
</network>"""

#: Twenty frames for everybody who is on the wire.
_BROADCAST = """
import socket
frame = b"\\xff" * 6 + b"\\x02" + bytes(5) + b"\\x88\\xb5" + bytes(50)
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as far:
    far.bind(("far", 0))
    for _ in range(20):
        far.send(frame)
"""

NETWORKED = """<interface type='network'><mac address='52:54:00:00:bb:09'/>
<source network='direct'/><model type='virtio'/></interface>"""


def card(number: int, mode: str = "bridge", more: str = "", dev: str = "wire") -> str:
    """A card on the link."""
    return (
        f"<interface type='direct'><mac address='52:54:00:00:bb:0{number}'/>"
        f"<source dev='{dev}' mode='{mode}'/>{more}<model type='virtio'/></interface>"
    )


@pytest.fixture(scope="module")
def space() -> Iterator[NetworkNamespace]:
    with NetworkNamespace(_SETUP) as made:
        yield made


@pytest.fixture
def host(space: NetworkNamespace) -> Iterator[Host]:
    root = Path(tempfile.mkdtemp(prefix="dc"))
    root.chmod(0o755)
    made = Host(space, root)
    made.networks.start()
    made.qemu.start()
    made.virsh("net-define", made.document(NETWORK))
    made.virsh("net-start", "direct")
    try:
        yield made
        assert "macvtap" not in " ".join(made.links())
    finally:
        for name in made.virsh("list", "--name").split():
            made.virsh("destroy", name)
        assert made.qemu.signal(signal.SIGTERM) == 0, made.qemu.log()
        assert made.networks.signal(signal.SIGTERM) == 0, made.networks.log()
        shutil.rmtree(root)


def create(host: Host, name: str, devices: str = "") -> None:
    """Creates a guest whose processors stand still."""
    text = paused_guest_xml(name, machine="pc", extra_devices=devices)
    host.virsh("create", host.document(text), "--paused")


def test_what_the_host_has(host: Host) -> None:
    limited = "<mtu size='1400'/><bandwidth><outbound average='500'/></bandwidth>"
    create(host, "one", card(1, more=limited))
    document = host.virsh("dumpxml", "one")
    shown = r"<source dev='wire' mode='bridge'/>.*</bandwidth>\s*<target dev='macvtap0'/>"
    assert re.search(shown, document, re.S), document
    link = host.links()["macvtap0"]
    assert (link["link"], link["address"], link["mtu"]) == ("wire", "52:54:00:00:bb:01", 1400)
    assert mode_of(link) == "bridge"
    assert "UP" in link["flags"]
    assert "UP" in host.links()["wire"]["flags"]
    assert "rate 4Mbit" in host.space.run("tc", "class", "show", "dev", "macvtap0")
    assert "macvtap0" not in host.virsh("dumpxml", "one", "--inactive")
    host.space.run("/usr/bin/python3", "-c", _BROADCAST)
    figures = dict(re.findall(r"macvtap0 (\w+) (\d+)", host.virsh("domifstat", "one", "macvtap0")))
    assert int(figures["rx_packets"]) >= 20  # what the link receives, the guest does
    assert f"net.0.rx.pkts={figures['rx_packets']}" in host.virsh("domstats", "--interface", "one")
    host.qemu.signal(signal.SIGKILL)
    host.qemu.start()
    assert host.virsh("dumpxml", "one") == document
    host.virsh("destroy", "one")
    assert "macvtap0" not in host.links()


def mode_of(link: dict[str, Any]) -> str:
    """Of a macvtap."""
    assert link["linkinfo"]["info_kind"] == "macvtap"
    return str(link["linkinfo"]["info_data"]["mode"])


def test_cards_come_and_go(host: Host) -> None:
    host.space.run("ip", "link", "add", "macvtap0", "type", "bridge")
    create(host, "two")
    several = card(2, more="<driver queues='2'/>")
    host.virsh("attach-device", "two", host.document(several))
    host.virsh("attach-device", "two", host.document(NETWORKED))
    links = host.links()
    assert links["macvtap0"]["linkinfo"]["info_kind"] == "bridge"
    made = {link["address"]: link for name, link in links.items() if name.startswith("macvtap")}
    assert mode_of(made["52:54:00:00:bb:02"]) == "bridge"
    assert mode_of(made["52:54:00:00:bb:09"]) == "private"
    assert made["52:54:00:00:bb:09"]["link"] == "wire2"
    document = host.virsh("dumpxml", "two")
    shown = r"<interface type='direct'>[^/]*/>\s*<source network='direct' portid='[^']*' "
    assert re.search(shown + "dev='wire2' mode='private'/>", document), document
    down = NETWORKED.replace("</interface>", "<link state='down'/></interface>")
    host.virsh("update-device", "two", host.document(down), "--live")
    document = host.virsh("dumpxml", "two")
    assert "<link state='down'/>" in document
    assert re.search(shown + "dev='wire2' mode='private'/>", document), document
    inactive = host.virsh("dumpxml", "two", "--inactive")
    shown = r"<interface type='network'>[^/]*/>\s*<source network='direct'/>"
    assert re.search(shown, inactive), inactive
    assert "connections='1'" in host.virsh("net-dumpxml", "direct")
    for device, words in (
        (card(3, dev="none"), "cannot use the network link 'none'"),
        (card(3, "passthrough"), "error creating macvtap interface"),
        (card(3, more="<target dev='macvtap0x'/>").replace("macvtap0x", "far"), "far@wire"),
    ):
        told = host.qemu.try_virsh("attach-device", "two", host.document(device))
        assert words in told.stderr
    assert set(host.links()) == set(links)
    host.virsh("destroy", "two")
    assert [name for name in host.links() if name.startswith("macvtap")] == ["macvtap0"]
    assert "connections" not in host.virsh("net-dumpxml", "direct")
    host.space.run("ip", "link", "delete", "macvtap0")


def test_a_card_has_the_wire_for_itself(host: Host) -> None:
    before = host.links()["wire"]["address"]
    create(host, "three", card(4, "passthrough"))
    assert host.links()["wire"]["address"] == "52:54:00:00:bb:04"
    host.qemu.signal(signal.SIGKILL)
    subprocess.run(["kill", "-9", pid_of(host, "three")], check=True)
    host.qemu.start()
    assert host.links()["wire"]["address"] == before
    assert "macvtap" not in " ".join(host.links())


def pid_of(host: Host, name: str) -> str:
    """Of the guest's QEMU."""
    record = json.loads((host.root / "run/libvirt/qemu" / f"{name}.json").read_text())
    return str(record["process"]["pid"])
