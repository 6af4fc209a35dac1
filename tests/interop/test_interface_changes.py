# SPDX-License-Identifier: Apache-2.0
"""Host interfaces changed by virsh, in a network namespace: by programs of the host, and by us."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.interop.conftest import Virtinterfaced
from tests.interop.namespace import NetworkNamespace
from tests.interop.networkmanager import PREPARED, networkmanager

pytestmark = [
    pytest.mark.skipif(shutil.which("virsh") is None, reason="needs virsh"),
    pytest.mark.skipif(shutil.which("ifup") is None, reason="needs ifupdown"),
    pytest.mark.skipif(shutil.which("nmcli") is None, reason="needs network-manager"),
]

CONFIGURATORS = ["ifupdown", "networkmanager", "nobody"]

SETUP = """
for n in 0 1 2; do
    ip link add e$n type veth peer name p$n
    ip link set p$n up
done
"""
MAIN = """
source interfaces.d/*
auto e2
iface e2 inet static
    address 10.9.0.1/24
"""
ADMIN = "network: {version: 2, bridges: {admin0: {}}}\n"
BRIDGE = """
<interface type='bridge' name='{name}'><start mode='onboot'/><mtu size='1400'/>
 <protocol family='ipv4'><ip address='192.168.77.1' prefix='24'/>
  <ip address='192.168.78.1' prefix='24'/><route gateway='192.168.77.254'/></protocol>
 <protocol family='ipv6'><ip address='2001:db8:77::1' prefix='64'/></protocol>
 <bridge stp='on' delay='4'><interface type='ethernet' name='{port}'/></bridge></interface>
"""
ETHERNET = """
<interface type='ethernet' name='{name}'><start mode='onboot'/>
 <mac address='52:54:00:aa:00:01'/><mtu size='1300'/>
 <protocol family='ipv4'><ip address='192.168.80.1' prefix='24'/></protocol></interface>
"""


class Host:
    """A daemon, and the namespace whose interfaces it has."""

    def __init__(
        self, root: Path, network: NetworkNamespace, environment: Sequence[str] = ()
    ) -> None:
        self.root = root
        self.network = network
        self.daemon = Virtinterfaced(root, [*network.prefix, "env", *environment])

    def command(self, line: str, document: str | None = None) -> list[str]:
        words = ["virsh", "-c", self.daemon.uri(), *line.split()]
        if document is not None:
            path = self.root / "document.xml"
            path.write_text(document)
            words.append(str(path))
        return words

    def virsh(self, line: str, document: str | None = None) -> str:
        """What a command that must succeed prints."""
        done = self._run(line, document)
        # virsh 9.0.0 ends with 1 whenever it has destroyed an interface.
        good = " destroyed" in done.stdout if "destroy" in line else done.returncode == 0
        assert good, f"{line}: {done.stderr}"
        return done.stdout

    def refused(self, line: str, document: str | None = None) -> str:
        """The last words of a command that must fail."""
        done = self._run(line, document)
        assert done.returncode == 1, f"{line}: {done.stdout}"
        return done.stderr.splitlines()[-1].removeprefix("error: ")

    def _run(self, line: str, document: str | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(line, document), capture_output=True, text=True, timeout=60, check=False
        )

    def listed(self) -> dict[str, str]:
        """The state by name."""
        lines = self.virsh("iface-list --all").splitlines()[2:]
        return dict(line.split()[:2] for line in lines if line.strip())

    def addresses(self, name: str) -> list[str]:
        """The global addresses of a device; none where there is no device."""
        _, told = self.network.ask("ip", "-br", "address", "show", "dev", name, "scope", "global")
        return told.split()[2:] if "does not exist" not in told else []

    def has(self, name: str) -> bool:
        """Whether the kernel has the device."""
        return self.network.ask("ip", "link", "show", "dev", name)[0] == 0

    def files(self) -> list[str]:
        """The names of the files that define interfaces."""
        found = [
            self.root / "etc/network/interfaces.d",
            self.root / "etc/NetworkManager/system-connections",
            self.root / "etc/netplan",
            self.root / "run/libvirt/interface/defined",
        ]
        return sorted(path.name for place in found if place.is_dir() for path in place.iterdir())


@contextmanager
def running(configurator: str) -> Iterator[Host]:
    """A host that *configurator* configures, with its daemon."""
    root = Path(tempfile.mkdtemp(prefix="vi"))
    if configurator == "ifupdown":
        (root / "etc/network/interfaces.d").mkdir(parents=True)
        (root / "etc/network/interfaces").write_text(MAIN)
    if configurator == "netplan":
        (root / "etc/netplan").mkdir(parents=True)
        (root / "etc/netplan/10-admin.yaml").write_text(ADMIN)
    environment = []
    with ExitStack() as stack:
        if configurator == "networkmanager":
            network = stack.enter_context(NetworkNamespace(SETUP + PREPARED))
            bus = stack.enter_context(networkmanager(root, network.prefix))
            environment.append(f"DBUS_SYSTEM_BUS_ADDRESS={bus}")
        else:
            network = stack.enter_context(NetworkNamespace(SETUP))
        made = Host(root, network, environment)
        made.daemon.start()
        try:
            yield made
        finally:
            assert made.daemon.signal(signal.SIGTERM) == 0
            shutil.rmtree(root)


@pytest.fixture(scope="module", params=CONFIGURATORS)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    with running(request.param) as made:
        yield made


@pytest.fixture(params=CONFIGURATORS)
def own(request: pytest.FixtureRequest) -> Iterator[Host]:
    """For a test that ends its daemon and starts another."""
    with running(request.param) as made:
        yield made


def test_a_bridge_from_definition_to_end(host: Host) -> None:
    host.virsh("iface-define", BRIDGE.format(name="br0", port="e0"))
    assert host.listed()["br0"] == "inactive"
    assert not host.has("br0")
    host.virsh("iface-start br0")
    assert host.listed()["br0"] == "active"
    assert "e0" not in host.listed()
    assert host.addresses("br0") == ["192.168.77.1/24", "192.168.78.1/24", "2001:db8:77::1/64"]
    assert "192.168.77.254 dev br0" in host.network.run("ip", "route", "show", "default")
    told = host.network.run("ip", "-d", "link", "show", "br0")
    assert "mtu 1400" in told
    assert "forward_delay 400 " in told
    assert "master br0" in host.network.run("bridge", "link")
    assert "<ip address='192.168.78.1' prefix='24'/>" in host.virsh("iface-dumpxml br0 --inactive")
    assert "<interface type='ethernet' name='e0'>" in host.virsh("iface-dumpxml br0")
    assert "already running" in host.refused("iface-start br0")
    assert "'e0' carries br0" in host.refused("iface-destroy e0")
    host.virsh("iface-undefine br0")  # what is up stays up, and is known
    assert host.has("br0")
    host.virsh("iface-destroy br0")
    assert not host.has("br0")
    assert host.files() == []
    assert "br0" not in host.listed()


def test_a_device_goes_into_a_bridge_and_comes_out(host: Host) -> None:
    """As virsh does it in one command, each of several calls."""
    host.virsh("iface-bridge e0 brown")
    assert host.listed()["brown"] == "active"
    assert "master brown" in host.network.run("bridge", "link")
    host.virsh("iface-unbridge brown")
    assert not host.has("brown")
    assert host.listed()["e0"] == "active"
    host.virsh("iface-destroy e0")
    host.virsh("iface-undefine e0")
    assert host.files() == []


def test_guests_are_not_cut_off(host: Host) -> None:
    host.virsh("iface-define", "<interface type='bridge' name='brg'><bridge/></interface>")
    host.virsh("iface-start brg")
    host.network.run("ip", "tuntap", "add", "vnet0", "mode", "tap")
    host.network.run("ip", "link", "set", "vnet0", "master", "brg")
    assert "guests are connected to 'brg' by vnet0" in host.refused("iface-destroy brg")
    host.network.run("ip", "link", "delete", "vnet0")
    host.virsh("iface-destroy brg")
    host.virsh("iface-undefine brg")


def test_only_what_is_asked_for_comes_up(host: Host) -> None:
    """All of these start with the host; and the parts are those of the last definition."""
    host.virsh("iface-define", BRIDGE.format(name="br4", port="e0"))
    host.virsh("iface-define", BRIDGE.format(name="br5", port="e1"))
    host.virsh("iface-start br4")
    assert not host.has("br5")
    assert "master" not in host.network.run("ip", "link", "show", "e1")
    host.virsh("iface-undefine br5")
    host.virsh("iface-define", BRIDGE.format(name="br4", port="e1"))
    assert "master br4" in host.network.run("ip", "link", "show", "e0")
    host.virsh("iface-destroy br4")
    host.virsh("iface-start br4")
    assert "master" not in host.network.run("ip", "link", "show", "e0")
    assert "master br4" in host.network.run("ip", "link", "show", "e1")
    host.virsh("iface-destroy br4")
    host.virsh("iface-undefine br4")
    assert not host.has("br4")


def test_a_device_of_the_host(host: Host) -> None:
    host.virsh("iface-define", ETHERNET.format(name="e1"))
    host.virsh("iface-start e1")
    assert host.addresses("e1") == ["192.168.80.1/24"]
    told = host.network.run("ip", "link", "show", "e1")
    assert "mtu 1300" in told
    assert "52:54:00:aa:00:01" in told
    host.virsh("iface-destroy e1")
    assert host.addresses("e1") == []
    assert host.has("e1")
    host.virsh("iface-undefine e1")


def test_a_failed_start_leaves_nothing(host: Host) -> None:
    """The way out is in no subnet of the interface: the last step of all fails.

    NetworkManager finds a way to it, and fails with devices that it was told to leave alone.
    """
    document = BRIDGE.format(name="brf", port="e0").replace("77.254", "99.254")
    if (host.root / "etc/NetworkManager").is_dir():
        document = ETHERNET.format(name="unmanaged0")
        host.network.run("ip", "link", "add", "unmanaged0", "type", "ifb")
        host.virsh("iface-define", document)
        assert "unmanaged0" in host.refused("iface-start unmanaged0")
        assert host.addresses("unmanaged0") == []
        file = host.root / "etc/NetworkManager/system-connections/virloom-unmanaged0.nmconnection"
        file.write_text(file.read_text().replace("method=manual", "method=none"))
        assert "Could not load file" in host.refused("iface-start unmanaged0")
        host.virsh("iface-undefine unmanaged0")
    else:
        host.virsh("iface-define", document)
        assert "brf" in host.refused("iface-start brf")
    host.virsh("iface-define", BRIDGE.format(name="brf", port="e0"))
    assert not host.has("brf")
    assert "master" not in host.network.run("ip", "link", "show", "e0")
    host.network.run("ip", "link", "add", "brf", "type", "ifb")
    assert "which is no bridge" in host.refused("iface-start brf")
    assert host.has("brf")
    host.network.run("ip", "link", "delete", "brf")
    host.virsh("iface-define", BRIDGE.format(name="brf", port="none9"))
    assert "no device 'none9'" in host.refused("iface-start brf")
    host.virsh("iface-undefine brf")


def test_what_an_administrator_has_configured(host: Host) -> None:
    if not (host.root / "etc/network").is_dir():
        assert "is not defined" in host.refused("iface-undefine e2")
        return
    assert "<ip address='10.9.0.1' prefix='24'/>" in host.virsh("iface-dumpxml e2 --inactive")
    host.virsh("iface-start e2")
    assert host.addresses("e2") == ["10.9.0.1/24"]
    host.virsh("iface-destroy e2")
    assert host.addresses("e2") == []
    place = f"'e2' is configured in {host.root}/etc/network/interfaces:4"
    assert place in host.refused("iface-undefine e2")
    assert place in host.refused("iface-define", BRIDGE.format(name="bre", port="e2"))
    (host.root / "etc/network/interfaces").write_text("")
    document = BRIDGE.format(name="bre", port="e0")
    assert "does not read the files" in host.refused("iface-define", document)
    assert host.files() == []


def test_changes_are_taken_back(own: Host) -> None:
    assert "no changes were begun" in own.refused("iface-rollback")
    own.virsh("iface-define", BRIDGE.format(name="br1", port="e1"))
    own.virsh("iface-start br1")
    before = own.virsh("iface-dumpxml br1 --inactive")
    own.virsh("iface-begin")
    assert "begun already" in own.refused("iface-begin")
    own.virsh("iface-destroy br1")
    own.virsh("iface-define", BRIDGE.format(name="br1", port="e1").replace("77.1'", "77.9'"))
    own.virsh("iface-define", BRIDGE.format(name="br2", port="e0"))
    own.virsh("iface-start br1")
    own.daemon.signal(signal.SIGKILL)
    own.daemon.start()
    own.virsh("iface-rollback")
    assert own.virsh("iface-dumpxml br1 --inactive") == before
    assert "192.168.77.1/24" in own.addresses("br1")
    assert "br2" not in own.listed()
    own.virsh("iface-begin")
    own.virsh("iface-destroy br1")
    own.virsh("iface-undefine br1")
    own.virsh("iface-commit")
    assert "no changes were begun" in own.refused("iface-commit")
    assert not own.has("br1")


def test_changes_of_an_earlier_boot_are_taken_back(own: Host) -> None:
    """The host went down with the changes that had cut it off: it comes back without them."""
    own.virsh("iface-begin")
    own.virsh("iface-define", BRIDGE.format(name="br3", port="e0"))
    own.daemon.signal(signal.SIGTERM)
    begun = own.root / "var/lib/libvirt/interface/begun.json"
    text = begun.read_text()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert boot in text
    begun.write_text(text.replace(boot, "another"))
    own.daemon.start()
    assert "no changes were begun" in own.refused("iface-commit")
    assert own.files() == []


@pytest.mark.long
def test_kills_while_it_starts(own: Host) -> None:
    """It is up and known, or gone with all that was made for it."""
    for delay in (0.0, 0.01, 0.04):
        own.virsh("iface-define", BRIDGE.format(name="brk", port="e0"))
        kill_while_starting(own, delay)
        own.virsh("iface-define", BRIDGE.format(name="brk", port="e0"))  # waits for recovery
        if own.listed()["brk"] == "active":
            assert len(own.addresses("brk")) == 3
            own.virsh("iface-destroy brk")
        assert not own.has("brk")
        assert not record(own).exists()
        own.virsh("iface-undefine brk")


def record(own: Host) -> Path:
    return own.root / "run/libvirt/interface/up/brk.json"


def kill_while_starting(own: Host, delay: float) -> None:
    """Kills the daemon that many seconds after it has written down what it is about to do."""
    starting = subprocess.Popen(
        own.command("iface-start brk"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 10
    while not record(own).exists() and starting.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(delay)
    own.daemon.signal(signal.SIGKILL)
    starting.wait(timeout=30)
    own.daemon.start()
