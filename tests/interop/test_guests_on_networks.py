# SPDX-License-Identifier: Apache-2.0
"""Guests on virtual networks and bridges: virsh, virtqemud, virtnetworkd, a real guest's card."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop.conftest import Virtnetworkd, Virtqemud
from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs
from virloom.testing import guest as tiny
from virloom.testing.documents import paused_guest_xml

pytestmark = [*needs("dnsmasq", root=True), pytest.mark.timeout(180)]

NETWORK = """<network><name>default</name><forward mode='nat'/><bridge name='virbr0'/>
<ip address='192.168.122.1' prefix='24'>
<dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip></network>"""
MAC = "52:54:00:00:aa:01"
CARD = f"<interface type='network'><mac address='{MAC}'/><source network='default'/>"
CARD += "<model type='virtio'/></interface>"

_OUTSIDE = """
ip address add 203.0.113.2/24 dev eth0; ip link set eth0 up
"""
_HOST = """
ip address add 203.0.113.1/24 dev eth0; ip link set eth0 up
ip link add br9 type bridge; ip link set br9 up
"""


class Host:
    """A host of the test's own: its network, and both daemons."""

    def __init__(self, space: NetworkNamespace, root: Path) -> None:
        self.space = space
        self.root = root
        self.qemu = Virtqemud(root, space.prefix)
        self.networks = Virtnetworkd(root, space.prefix)

    def virsh(self, *words: str) -> str:
        """On virtqemud, which passes on what is of networks."""
        return self.qemu.virsh(*words)

    def document(self, text: str) -> str:
        """A file with that text."""
        path = self.root / "document.xml"
        path.write_text(text)
        return str(path)

    def links(self) -> dict[str, dict[str, str]]:
        """The links of the host, by name."""
        found = json.loads(self.space.run("ip", "-j", "-d", "link"))
        return {link["ifname"]: link for link in found}

    def lease(self) -> re.Match[str]:
        """The guest's address; dnsmasq has it noted a moment after the guest has it."""
        deadline = time.monotonic() + 10
        while True:
            told = self.virsh("net-dhcp-leases", "default")
            found = re.search(rf"{MAC}\s+ipv4\s+([\d.]+)/24", told)
            if found is not None:
                return found
            assert time.monotonic() < deadline, told
            time.sleep(0.1)

    def ports(self, network: str = "default") -> list[str]:
        """What the network driver has of ports of the network."""
        record = json.loads((self.root / f"run/libvirt/network/{network}.json").read_text())
        return list(record["ports"])


@pytest.fixture(scope="module")
def spaces() -> Iterator[list[NetworkNamespace]]:
    with ExitStack() as stack:
        made = [stack.enter_context(NetworkNamespace("true")) for _ in range(2)]
        host, outside = made
        host.run(
            *("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0"),
            *("netns", str(outside.pid)),
        )
        host.run("sh", "-ec", _HOST)
        outside.run("sh", "-ec", _OUTSIDE)
        yield made


@pytest.fixture
def host(spaces: list[NetworkNamespace]) -> Iterator[Host]:
    root = Path(tempfile.mkdtemp(prefix="gn"))
    root.chmod(0o755)
    made = Host(spaces[0], root)
    made.networks.start()
    made.qemu.start()
    made.virsh("net-define", made.document(NETWORK))
    made.virsh("net-start", "default")
    try:
        yield made
    finally:
        for name in made.virsh("list", "--name").split():
            made.virsh("destroy", name)
        made.virsh("net-destroy", "default")
        assert made.qemu.signal(signal.SIGTERM) == 0, made.qemu.log()
        assert made.networks.signal(signal.SIGTERM) == 0, made.networks.log()
        shutil.rmtree(root)


class Console:
    """The guest's serial console, by the socket that it listens on."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self.heard = b""

    def expect(self, pattern: str, seconds: float = 60) -> str:
        """What it says up to the pattern; raises after so many seconds."""
        deadline = time.monotonic() + seconds
        while (found := re.search(pattern.encode(), self.heard)) is None:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            self.heard += self._socket.recv(4096)
        said, self.heard = self.heard[: found.end()], self.heard[found.end() :]
        return said.decode(errors="replace")

    def tell(self, line: str) -> None:
        """Has the guest run a line."""
        self._socket.sendall(line.encode() + b"\n")

    def wake(self) -> None:
        """Asks until it answers: its first words may have been before us."""
        for _ in range(60):
            self.tell("echo up-$?")
            with contextlib.suppress(TimeoutError):
                self.expect("up-0", 1)
                return
        raise AssertionError(f"the guest does not come up: {self.heard!r}")

    def close(self) -> None:
        self._socket.close()


def _install(host: Host, console: Path) -> None:
    """The guest as virt-install makes it; its modules are those of a card on PCI."""
    load = ("virtio_pci", "virtio_net")
    subprocess.run(
        [
            "virt-install", "--connect", host.qemu.uri(), "--name", "web", "--virt-type", "qemu",
            "--memory", "128", "--vcpus", "1", "--import", "--disk", "none", "--osinfo",
            "detect=on,require=off", "--graphics", "none", "--noautoconsole",
            "--network", f"network=default,model=virtio,mac={MAC}",
            "--serial", f"unix,path={console},mode=bind",
            "--boot", f'kernel={tiny.kernel()},initrd={tiny.initramfs()},'
            f'kernel_args="{tiny.command_line(load)}"',
        ],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=100, check=True,
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("virt-install") is None, reason="virt-install is not installed")
def test_a_guest_is_online(host: Host) -> None:
    path = host.root / "console"
    _install(host, path)
    console = Console(path)
    console.wake()
    for line in (
        "busybox ifconfig eth0 up",
        "busybox udhcpc -f -q -n -t 20 -T 1 -i eth0 -s /bin/true 2>&1",
        "echo lease-$?",
    ):
        console.tell(line)
    console.expect("lease-0")
    address = host.lease()
    console.tell(
        f"busybox ifconfig eth0 {address[1]} && busybox route add default gw 192.168.122.1"
    )
    console.tell("busybox ping -c 1 -W 5 203.0.113.2 >/dev/null; echo ping-$?")
    console.expect("ping-0")
    _is_shown(host)
    assert f"{address[1]}/24" in host.virsh("domifaddr", "web")
    assert f"{address[1]}/0" in host.virsh("domifaddr", "web", "--source", "arp")
    assert host.qemu.try_virsh("domhostname", "web", "--source", "lease").returncode == 1
    assert "rx_packets" in host.virsh("domifstat", "web", "vnet0")
    host.qemu.signal(signal.SIGKILL)
    host.networks.signal(signal.SIGKILL)
    console.tell("busybox ping -c 1 -W 5 203.0.113.2 >/dev/null; echo again-$?")
    console.expect("again-0")
    host.networks.start()
    host.qemu.start()
    _is_shown(host)
    console.close()
    host.virsh("destroy", "web")
    assert "vnet0" not in host.links()
    assert host.ports() == []
    assert "portid" not in host.virsh("dumpxml", "web")


def _is_shown(host: Host) -> None:
    """The card in the live document, on the host, and at the network."""
    document = host.virsh("dumpxml", "web")
    assert re.search(
        r"<source network='default' portid='[0-9a-f-]{36}' bridge='virbr0'/>\s*"
        r"<target dev='vnet0'/>",
        document,
    ), document
    tap = host.links()["vnet0"]
    assert tap["address"] == "fe" + MAC[2:]
    assert tap["master"] == "virbr0"
    assert "UP" in tap["flags"]
    (port,) = host.ports()
    assert f"portid='{port}'" in document
    assert "connections='1'" in host.virsh("net-dumpxml", "default")


def test_cards_come_and_go(host: Host) -> None:
    host.virsh("create", host.document(paused_guest_xml("plain", machine="pc")), "--paused")
    bridged = (
        "<interface type='bridge'><mac address='52:54:00:00:aa:02'/><source bridge='br9'/>"
        "<target dev='mine0'/><mtu size='1400'/><port isolated='yes'/><model type='virtio'/>"
        "<driver queues='3'/></interface>"
    )
    host.virsh("attach-device", "plain", host.document(bridged))
    host.virsh("attach-device", "plain", host.document(CARD))
    tap = host.links()["mine0"]
    assert (tap["master"], tap["mtu"]) == ("br9", 1400)
    isolated = host.space.run("cat", "/sys/class/net/mine0/brport/isolated")
    assert isolated.strip() == "1"
    assert len(host.ports()) == 1
    _is_limited(host)
    _is_updated(host)
    refused = host.qemu.try_virsh(
        "attach-device",
        "plain",
        host.document(CARD.replace("default", "none").replace(MAC, MAC[:-1] + "9")),
    )
    assert "Network not found" in refused.stderr
    missing = bridged.replace("br9", "br-none").replace("mine0", "mine1").replace("aa:02", "aa:03")
    refused = host.qemu.try_virsh("attach-device", "plain", host.document(missing))
    assert "Unable to add bridge br-none port mine1" in refused.stderr
    assert "mine1" not in host.links()
    host.virsh("destroy", "plain")
    assert not {"mine0", "mine1"} & set(host.links())
    assert host.ports() == []


def test_cards_find_their_network_again(host: Host) -> None:
    """A network is stopped and started while guests run: at once, unseen, and by a new daemon."""
    text = paused_guest_xml("kept", machine="pc", extra_devices=CARD)
    host.virsh("create", host.document(text), "--paused")
    (port,) = host.ports()
    host.virsh("net-destroy", "default")
    assert "master" not in host.links()["vnet0"]
    host.virsh("net-start", "default")
    _is_back(host, port)
    host.networks.signal(signal.SIGKILL)
    host.networks.start()
    host.virsh("net-destroy", "default")
    host.virsh("net-start", "default")
    _is_back(host, port)
    host.qemu.signal(signal.SIGKILL)
    direct = ("virsh", "-c", host.networks.uri())
    host.space.run(*direct, "net-destroy", "default")
    host.space.run(*direct, "net-start", "default")
    assert host.ports() == []
    host.qemu.start()
    _is_back(host, port)
    host.qemu.signal(signal.SIGKILL)
    host.space.run("ip", "link", "set", "vnet0", "master", "br9")
    host.qemu.start()
    _is_back(host, port)
    host.virsh("destroy", "kept")
    _comes_true(lambda: host.ports() == [])


def _is_back(host: Host, port: str) -> None:
    _comes_true(lambda: host.links()["vnet0"].get("master") == "virbr0")
    assert host.ports() == [port]
    assert f"portid='{port}' bridge='virbr0'" in host.virsh("dumpxml", "kept")


def _comes_true(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_limited(host: Host) -> None:
    """Its tap sends and receives no more than is said, until that is taken back."""
    host.virsh(
        "domiftune", "plain", "mine0", "--live", "--inbound", "1000,2000,64", "--outbound", "500"
    )
    buckets = host.space.run("tc", "class", "show", "dev", "mine0")
    assert "rate 8Mbit ceil 16Mbit" in buckets
    received = host.space.run("tc", "filter", "show", "dev", "mine0", "parent", "ffff:")
    assert "police" in received or "ifbmine0" in received
    assert "inbound.peak   : 2000" in host.virsh("domiftune", "plain", "mine0")
    assert "<inbound average='1000' peak='2000' burst='64'/>" in host.virsh("dumpxml", "plain")
    host.virsh("domiftune", "plain", "mine0", "--live", "--inbound", "0", "--outbound", "0")
    assert "htb" not in host.space.run("tc", "qdisc", "show", "dev", "mine0")
    assert "bandwidth" not in host.virsh("dumpxml", "plain")


def _is_updated(host: Host) -> None:
    """A card changes its bridge, its link and its limits."""
    host.virsh("domif-setlink", "plain", "mine0", "down")
    card = re.findall(
        r"<interface type='bridge'>.*?</interface>", host.virsh("dumpxml", "plain"), re.S
    )[0]
    assert "<link state='down'/>" in card
    card = card.replace("br9", "virbr0").replace("<link state='down'/>", "<link state='up'/>")
    limited = card.replace("<target", "<bandwidth><inbound average='700'/></bandwidth><target")
    host.virsh("update-device", "plain", host.document(limited), "--live")
    assert host.links()["mine0"]["master"] == "virbr0"
    assert "rate 5600Kbit" in host.space.run("tc", "class", "show", "dev", "mine0")
    told = host.qemu.try_virsh(
        "update-device", "plain", host.document(card.replace("virbr0", "none")), "--live"
    )
    assert "bridge none doesn't exist" in told.stderr
    assert host.links()["mine0"]["master"] == "virbr0"


def test_a_guest_that_ends_while_nobody_looks(host: Host) -> None:
    host.virsh("create", host.document(paused_guest_xml("lost", extra_devices=CARD)), "--paused")
    (pid,) = re.findall(r'"pid": (\d+)', (host.root / "run/libvirt/qemu/lost.json").read_text())
    assert len(host.ports()) == 1
    host.qemu.signal(signal.SIGKILL)
    subprocess.run(["kill", "-9", pid], check=True)
    host.qemu.start()
    assert host.virsh("list", "--name") == ""
    assert host.ports() == []
    assert list((host.root / "run/libvirt/qemu").glob("*.ports")) == []
    host.virsh("net-destroy", "default")
    refused = host.qemu.try_virsh(
        "create", host.document(paused_guest_xml("late", extra_devices=CARD)), "--paused"
    )
    assert "network 'default' is not active" in refused.stderr
    host.virsh("net-start", "default")
