# SPDX-License-Identifier: Apache-2.0
"""Networks that run: a host, a client on its bridge and somebody outside, each in a namespace."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop.conftest import Virtnetworkd
from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs
from virloom.drivers.network.steps import CHANGE_STEPS, START_STEPS, STOP_STEPS

pytestmark = needs("dnsmasq", root=True)

MAC = "52:54:00:00:66:01"
NAT = f"""<network><name>out</name><forward mode='nat'/><bridge name='virbr5'/>
<domain name='inner.test' localOnly='yes'/>
<dns><host ip='10.66.0.9'><hostname>printer</hostname></host></dns>
<ip address='10.66.0.1' prefix='24'><dhcp><range start='10.66.0.2' end='10.66.0.99'/>
<host mac='{MAC}' name='one' ip='10.66.0.50'/></dhcp></ip>
<ip family='ipv6' address='fd66::1' prefix='64'/></network>"""
ROUTED = """<network><name>routed</name><forward mode='route'/><bridge name='virbr6' stp='off'/>
<ip address='10.67.0.1' prefix='24'/></network>"""
ISOLATED = """<network><name>alone</name><bridge name='virbr7' stp='off'/>
<ip address='10.68.0.1' prefix='24'/></network>"""

#: The host has an address outside; who is there knows the way to the routed network only.
_HOST = """
ip address add 203.0.113.1/24 dev eth0; ip -6 address add 2001:db8:1::1/64 dev eth0 nodad
ip link set eth0 up
"""
_OUTSIDE = """
ip address add 203.0.113.2/24 dev eth0; ip -6 address add 2001:db8:1::2/64 dev eth0 nodad
ip link set eth0 up; ip route add 10.67.0.0/24 via 203.0.113.1
ip route add 10.68.0.0/24 via 203.0.113.1
"""


class Scene(NamedTuple):
    """Who takes part."""

    host: NetworkNamespace
    outside: NetworkNamespace
    client: NetworkNamespace
    daemon: Virtnetworkd

    def plug(self, bridge: str) -> None:
        """Puts the client's card, without an address, on that bridge."""
        self.host.ask("ip", "link", "delete", "inside")
        self.host.run(
            *("ip", "link", "add", "inside", "type", "veth", "peer", "name", "eth0"),
            *("address", MAC, "netns", str(self.client.pid)),
        )
        self.host.run("ip", "link", "set", "inside", "master", bridge, "up")
        self.client.run("ip", "link", "set", "eth0", "up")

    def address(self, address: str, gateway: str) -> None:
        """Gives the client an address, and the host as its way out."""
        self.client.run("ip", "address", "replace", address, "dev", "eth0", "nodad")
        self.client.run("ip", "route", "replace", "default", "via", gateway)

    def define(self, document: str) -> str:
        """Defines and starts a network; its name."""
        path = self.daemon.root / "network.xml"
        path.write_text(document)
        told = self.daemon.virsh("net-define", str(path))
        name = told.split()[1]
        self.daemon.virsh("net-start", name)
        return name


@pytest.fixture(scope="module")
def spaces() -> Iterator[list[NetworkNamespace]]:
    with ExitStack() as stack:
        made = [stack.enter_context(NetworkNamespace("true")) for _ in range(3)]
        host, outside, _ = made
        host.run(
            *("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0"),
            *("netns", str(outside.pid)),
        )
        host.run("sh", "-ec", _HOST)
        outside.run("sh", "-ec", _OUTSIDE)
        yield made


@pytest.fixture
def scene(spaces: list[NetworkNamespace]) -> Iterator[Scene]:
    root = Path(tempfile.mkdtemp(prefix="vn"))
    root.chmod(0o755)
    daemon = Virtnetworkd(root, spaces[0].prefix)
    daemon.start()
    try:
        yield Scene(*spaces, daemon)
    finally:
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


def reaches(who: NetworkNamespace, target: str) -> bool:
    """Whether an answer comes back."""
    return who.ask("ping", "-n", "-c", "1", "-W", "1", target)[0] == 0


def until(true: Callable[[], bool], seconds: float = 10) -> None:
    """Waits for something to become true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def traces(scene: Scene) -> list[str]:
    """What networks leave in the host: links, rules, processes, files."""
    links = [link["ifname"] for link in json.loads(scene.host.run("ip", "-j", "link"))]
    tables = scene.host.run("nft", "list", "tables").splitlines()
    root = str(scene.daemon.root).encode()
    processes = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if b"dnsmasq\0" in (words := _read(path)) and root in words
    ]
    found = {*links, *tables, *processes, *_files(scene.daemon.root)}
    return sorted(found - {"lo", "eth0", "inside"})


def _files(root: Path) -> list[str]:
    return [
        path.name
        for place in ("run/libvirt/network", "var/lib/libvirt/dnsmasq")
        for path in (root / place).iterdir()
        if path.name not in ("autostarted", "driver.lock") and path.suffix != ".status"
    ]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_client_of_a_nat_network(scene: Scene) -> None:
    name = scene.define(NAT)
    scene.plug("virbr5")
    lease = scene.client.run(
        *("busybox", "udhcpc", "-f", "-n", "-q", "-t", "20", "-T", "1", "-A", "1", "-i", "eth0"),
        *("-s", str(_lease_printer(scene.daemon.root))),
    )
    assert "bound 10.66.0.50/24 10.66.0.1 inner.test" in lease
    scene.address("10.66.0.50/24", "10.66.0.1")
    asked = scene.client.run("busybox", "nslookup", "-type=a", "printer.inner.test", "10.66.0.1")
    assert "10.66.0.9" in asked
    # dnsmasq answers first, and tells the helper then.
    until(lambda: " 10.66.0.50/24 " in scene.daemon.virsh("net-dhcp-leases", name))
    assert reaches(scene.client, "203.0.113.2")  # who is outside knows no way back but to the host
    way_in = ("10.66.0.0/24", "via", "203.0.113.1")
    scene.outside.run("ip", "route", "add", *way_in)
    assert not reaches(scene.outside, "10.66.0.50")
    scene.outside.run("ip", "route", "delete", *way_in)
    scene.host.run("nft", "flush", "ruleset")
    until(lambda: reaches(scene.client, "203.0.113.2"))  # somebody flushed them, and they are back
    _goes_on_after_kills(scene)
    _has_dnsmasq_again(scene)
    scene.daemon.virsh("net-destroy", name)
    assert traces(scene) == []


def _lease_printer(root: Path) -> Path:
    script = root / "print-lease"
    script.write_text('#!/bin/sh\ntest "$1" != bound || echo "$1 $ip/$mask $router $domain"\n')
    script.chmod(0o755)
    return script


def _names(found: list[str]) -> list[str]:
    """Without the processes, of which one is another."""
    return [name for name in found if not name.isdecimal()]


def _has_dnsmasq_again(scene: Scene) -> None:
    """One that is killed while the daemon runs is replaced, with the leases; twice."""
    for _ in range(2):
        former = _dnsmasq(scene)
        scene.host.run("kill", "-9", former)
        until(lambda pid=former: _dnsmasq(scene) not in ("", pid))
    assert " 10.66.0.50/24 " in scene.daemon.virsh("net-dhcp-leases", "out")
    assert "the dnsmasq of network 'out' had ended" in scene.daemon.log()


#: What clients may call themselves.
HOSTILE = (
    "$(touch /tmp/harm-of-a-name)",
    "../../../../tmp/harm-of-a-name",
    'x"},{"ip-address":"1.2.3.4',
    "-x",
    "one two",
    "printer",  # the name of another machine, by the network's document
    "n" * 200,
)


@pytest.mark.long
def test_names_of_clients_do_no_harm(scene: Scene) -> None:
    """Such a name is none of a file, of a program's word, or of anybody else."""
    scene.define(NAT)
    scene.plug("virbr5")
    script = _lease_printer(scene.daemon.root)
    place = scene.daemon.root / "var/lib/libvirt/dnsmasq"
    before = sorted({*place.iterdir(), place / "virbr5.status"})
    for number, name in enumerate(HOSTILE):
        mac = f"52:54:00:66:00:{number:02x}"
        scene.client.run("ip", "link", "set", "eth0", "address", mac)
        said = scene.client.run(
            *("busybox", "udhcpc", "-f", "-n", "-q", "-t", "20", "-T", "1", "-i", "eth0"),
            *("-x", f"hostname:{name}", "-s", str(script)),
        )
        assert "bound 10.66.0." in said
        until(lambda mac=mac: mac.encode() in _read(place / "virbr5.status"))
    leases = json.loads((place / "virbr5.status").read_text())
    assert "52:54:00:66:00:00" in {lease["mac-address"] for lease in leases}
    names = {lease["hostname"] for lease in leases if "hostname" in lease}
    assert all(re.fullmatch(r"[A-Za-z0-9-]+", name) for name in names)
    assert len(scene.daemon.virsh("net-dhcp-leases", "out").splitlines()) == 2 + len(leases)
    assert not Path("/tmp/harm-of-a-name").exists()
    assert sorted(place.iterdir()) == before
    scene.address("10.66.0.60/24", "10.66.0.1")
    asked = scene.client.run("busybox", "nslookup", "-type=a", "printer.inner.test", "10.66.0.1")
    assert "10.66.0.9" in asked
    scene.daemon.virsh("net-destroy", "out")


def _dnsmasq(scene: Scene) -> str:
    """Its pid; nothing where it does not run."""
    try:
        pid = (scene.daemon.root / "run/libvirt/network/out.pid").read_text().strip()
    except FileNotFoundError:
        return ""
    return pid if b"dnsmasq" in _read(Path(f"/proc/{pid}/cmdline")) else ""


def _goes_on_after_kills(scene: Scene) -> None:
    """Traffic and leases need no daemon; a new one puts back what is missing."""
    before = traces(scene)
    for _ in range(3):
        scene.daemon.signal(signal.SIGKILL)
        assert reaches(scene.client, "203.0.113.2")
        scene.daemon.start()
    assert traces(scene) == before
    scene.daemon.signal(signal.SIGKILL)
    scene.host.run("nft", "flush", "ruleset")
    pid = (scene.daemon.root / "run/libvirt/network/out.pid").read_text().strip()
    scene.host.run("kill", pid)
    until(lambda: not _read(Path(f"/proc/{pid}/cmdline")))
    assert not reaches(scene.client, "203.0.113.2")
    scene.daemon.start()
    assert reaches(scene.client, "203.0.113.2")
    assert _names(traces(scene)) == _names(before)
    assert " 10.66.0.50/24 " in scene.daemon.virsh("net-dhcp-leases", "out")


def test_routed_and_isolated_networks(scene: Scene) -> None:
    scene.define(ROUTED)
    scene.define(ISOLATED)
    scene.plug("virbr6")
    scene.address("10.67.0.50/24", "10.67.0.1")
    until(lambda: reaches(scene.outside, "10.67.0.50"))  # a bridge forwards after some seconds
    assert reaches(scene.client, "203.0.113.2")
    # With an address that is none of the network nobody gets out.
    scene.client.run("ip", "address", "flush", "dev", "eth0")
    scene.address("10.66.0.77/24", "10.66.0.1")
    scene.client.ask("ip", "route", "replace", "default", "dev", "eth0")
    assert not reaches(scene.client, "203.0.113.2")
    scene.client.run("ip", "address", "flush", "dev", "eth0")
    scene.plug("virbr7")
    scene.address("10.68.0.50/24", "10.68.0.1")
    until(lambda: reaches(scene.client, "10.68.0.1"))
    assert not reaches(scene.client, "203.0.113.2")
    assert not reaches(scene.outside, "10.68.0.50")
    scene.daemon.virsh("net-destroy", "routed")
    scene.host.run("ip", "link", "delete", "virbr7")  # somebody else's hand
    until(lambda: "alone" not in scene.daemon.virsh("net-list", "--name"))
    assert traces(scene) == []
    scene.daemon.virsh("net-start", "alone")
    scene.daemon.virsh("net-destroy", "alone")


#: A host that never had networks: its own directories are empty ones of the test's.
_FRESH = """
for place in /etc/libvirt /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
    mkdir -p $place; mount -t tmpfs -o mode=755 fresh $place
done
exec "$@"
"""


def test_a_fresh_host_has_the_usual_network(spaces: list[NetworkNamespace]) -> None:
    prefix = (*spaces[0].prefix, "unshare", "--mount", "--propagation", "private", "sh", "-ec")
    root = Path(tempfile.mkdtemp(prefix="vn"))
    daemon = Virtnetworkd(root, (*prefix, _FRESH, "sh"))
    try:
        daemon.start("--root", "/")
        inside = ("nsenter", "--target", str(daemon.pid), "--mount", "--net", "virsh", "-c")
        listed = subprocess.run(
            [*inside, "network:///system?socket=/run/libvirt/virtnetworkd-sock", "net-list"],
            capture_output=True, text=True, timeout=30, check=True,
        ).stdout  # fmt: skip
        assert listed.split()[-4:] == ["default", "active", "yes", "yes"]
        assert "192.168.122.1/24" in spaces[0].run("ip", "address", "show", "virbr0")
    finally:
        subprocess.run(
            [*inside, "network:///system?socket=/run/libvirt/virtnetworkd-sock", "net-destroy",
             "default"],
            timeout=30, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
        shutil.rmtree(root)


OWNER = Path(__file__).parent.parent / "fakes" / "network_owner.py"
KILLED = """<network><name>killed</name><uuid>0d3f9ad2-5f2d-4b0c-9a77-90c8e9a2d2a1</uuid>
<forward mode='nat'/><bridge name='virbr9'/>
<bandwidth><inbound average='900'/><outbound average='900'/></bandwidth>
<ip address='10.70.0.1' prefix='24'><dhcp><range start='10.70.0.2' end='10.70.0.9'/></dhcp></ip>
</network>"""


@pytest.mark.parametrize(
    "steps",
    [
        ("bridge-made", "active-recorded", "rules-removed"),
        pytest.param((*START_STEPS, *CHANGE_STEPS, *STOP_STEPS), marks=pytest.mark.long),
    ],
    ids=["some", "all"],
)
def test_a_kill_at_any_step_leaves_all_or_nothing(scene: Scene, steps: tuple[str, ...]) -> None:
    root = scene.daemon.root
    scene.daemon.signal(signal.SIGTERM)
    (root / "network.xml").write_text(KILLED)
    program = (sys.executable, str(OWNER), str(root))
    for step in steps:
        code, said = scene.host.ask(*program, step, str(root / "network.xml"))
        assert code == -signal.SIGKILL, f"{step}: {said}"
        told = scene.host.run(*program, "look", "")
        # What was not finished of a change is undone: there is one range of addresses.
        whole = step in ("active-recorded", *CHANGE_STEPS)
        assert told == f"killed {'active 1' if whole else 'inactive'}\n", step
        assert traces(scene) == [], step
    scene.daemon.start()


#: Documents that cannot be started here, and what is said.
REFUSED = (
    (
        "<network><name>x</name><bridge name='virbr8'/><ip address='203.0.113.9' prefix='24'/>"
        "</network>",
        "Network is already in use by interface eth0",
    ),
    ("<network><name>x</name><bridge name='eth0'/></network>", "eth0: File exists"),
    ("<network><name>x</name><bridge name='virbr8' zone='home'/></network>", "firewalld"),
    (
        "<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>"
        "<name>x</name><bridge name='virbr8'/><ip address='10.69.0.1' prefix='24'/>"
        "<dnsmasq:options><dnsmasq:option value='no-such=1'/></dnsmasq:options></network>",
        "bad option",
    ),
)


def test_what_cannot_start_leaves_nothing(scene: Scene) -> None:
    path = scene.daemon.root / "network.xml"
    for document, said in REFUSED:
        path.write_text(document)
        scene.daemon.virsh("net-define", str(path))
        told = scene.daemon.try_virsh("net-start", "x")
        assert told.returncode == 1
        assert said in told.stderr
        assert traces(scene) == []
        scene.daemon.virsh("net-undefine", "x")


ROUTED6 = """<network><name>six</name><forward mode='route'/><bridge name='virbr9'/>
<ip family='ipv6' address='fd69::1' prefix='64'/></network>"""


def test_the_host_keeps_its_own_way_out(scene: Scene) -> None:
    """A host that has its routes by advertisements would lose them by passing packets on."""
    conf = "/proc/sys/net/ipv6/conf"
    scene.host.run("sh", "-c", f"echo 0 > {conf}/all/forwarding; echo 1 > {conf}/eth0/accept_ra")
    router = subprocess.Popen(
        [*scene.outside.prefix, "dnsmasq", "--conf-file=/dev/null", "--no-daemon", "--port=0",
         "--interface=eth0", "--bind-dynamic", "--enable-ra", "--dhcp-range=2001:db8:1::,ra-only",
         "--ra-param=eth0,4,100"], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: "proto ra" in scene.host.run("ip", "-6", "route"), 20)
        (scene.daemon.root / "network.xml").write_text(ROUTED6)
        create = ("net-create", str(scene.daemon.root / "network.xml"))
        told = scene.daemon.try_virsh(*create)
        assert told.returncode == 1
        assert "routers on 'eth0'" in told.stderr
        assert traces(scene) == []
        scene.host.run("sh", "-c", f"echo 2 > {conf}/eth0/accept_ra")
        scene.daemon.virsh(*create)
        scene.daemon.virsh("net-destroy", "six")
    finally:
        router.terminate()
        router.wait()
        scene.host.run("ip", "-6", "route", "flush", "proto", "ra")
