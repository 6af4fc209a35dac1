# SPDX-License-Identifier: Apache-2.0
"""virtinterfaced beside libvirtd 9, in one network namespace with devices of the test's own."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import virloom
from tests.interop.binding import session
from tests.interop.conftest import Virtinterfaced
from tests.interop.namespace import NetworkNamespace
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.errors import NoInterface

pytestmark = needs_libvirtd

#: Bridges with ports of all sorts, with and without spanning tree; what is up, down and neither; a
#: guest's tap; an address twice, once of a port; devices named like guests', and unlike.
SETUP = """
ip link add br0 address 52:54:00:00:00:01 type bridge
ip link add brstp address 52:54:00:ab:00:02 type bridge stp_state 1 forward_delay 450
ip link add alone type bridge
ip link add veth0 address 52:54:00:00:00:03 type veth peer name veth1 address 52:54:00:00:00:04
ip link add va address 52:54:00:00:00:06 type veth peer name vb address 52:54:00:00:00:06
ip link add d0 address 52:54:00:00:00:77 type ifb
ip link add d1 address 52:54:00:00:00:77 type ifb
ip link add vnetx address 52:54:00:00:00:0a type ifb
ip link add Zed address 52:54:00:00:00:0b type ifb
ip link add vnet7 address 52:54:00:00:00:0c type ifb
ip tuntap add vnet0 mode tap
ip tuntap add tap0 mode tap
ip tuntap add tun0 mode tun
ip link set alone address 52:54:00:00:00:05
ip link set vnet0 address 52:54:00:00:00:08
ip link set tap0 address 52:54:00:00:00:09
for port in veth0 vnet0 tap0 vnetx Zed; do ip link set $port master br0; done
ip link set d1 master brstp
ip link set d0 mtu 1400 up
for name in br0 alone veth0 veth1; do ip link set $name up; done
ip address add 192.168.50.1/24 dev br0
ip address add 2001:db8::1/64 dev br0 nodad
ip address add 10.0.0.1/8 dev veth1
"""


#: What an administrator types, with what comes of it compared.
LINES = (
    "iface-list", "iface-list --all", "iface-list --inactive", "iface-dumpxml br0",
    "iface-dumpxml va --inactive", "iface-dumpxml 52:54:00:00:00:77", "iface-dumpxml none",
    "iface-mac br0", "iface-mac 52:54:00:00:00:05", "iface-name 52:54:00:00:00:05",
    "iface-name 52:54:00:00:00:06", "iface-undefine br0", "iface-define /dev/null",
)  # fmt: skip


@pytest.fixture(scope="module")
def network() -> Iterator[NetworkNamespace]:
    with NetworkNamespace(SETUP) as made:
        yield made


@pytest.fixture(scope="module")
def virtinterfaced(network: NetworkNamespace) -> Iterator[Virtinterfaced]:
    root = Path(tempfile.mkdtemp(prefix="vi"))
    daemon = Virtinterfaced(root, network.prefix)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def reference(network: NetworkNamespace) -> Iterator[Libvirtd]:
    with tempfile.TemporaryDirectory(prefix="lv-") as name:
        daemon = Libvirtd(Path(name), prefix=network.prefix)
        try:
            daemon.await_socket()
            yield daemon
        finally:
            daemon.end()


def test_the_same_session(reference: Libvirtd, virtinterfaced: Virtinterfaced) -> None:
    """Changes are not compared: libvirt's udev back end makes none."""
    ours = session("interfaces", virtinterfaced.uri(), virtinterfaced.uri(readonly=True))
    theirs = session(
        "interfaces",
        reference.uri.replace("qemu", "interface", 1),
        reference.readonly_uri.replace("qemu", "interface", 1),
    )
    assert ours == theirs
    assert sum('"xml ' in line and "<interface" in line for line in ours) == 52


def typed(uri: str) -> list[tuple[str, int, list[str]]]:
    """What virsh prints of each line; the words of errors are each one's own."""
    told = []
    for line in LINES:
        command = ["virsh", "-c", uri, *line.split()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        told.append((line, done.returncode, sorted(done.stdout.splitlines())))
    return told


def test_the_same_lines(reference: Libvirtd, virtinterfaced: Virtinterfaced) -> None:
    ours = typed(virtinterfaced.uri())
    assert ours == typed(reference.uri.replace("qemu", "interface", 1))
    assert [line for line, code, _ in ours if code == 0] == [*LINES[:6], LINES[7], LINES[9]]


def test_what_comes_and_goes(network: NetworkNamespace, virtinterfaced: Virtinterfaced) -> None:
    with virloom.open_sync(virtinterfaced.uri()) as conn:
        network.run("ip", "link", "add", "late", "type", "bridge")
        late = conn.interfaces.lookup_by_name("late")
        assert not late.is_active()
        network.run("ip", "link", "set", "late", "mtu", "1300")
        assert "<mtu size='1300'/>" in late.xml_desc()
        network.run("ip", "link", "delete", "late")
        with pytest.raises(NoInterface):
            late.xml_desc()
        with pytest.raises(NoInterface):
            late.is_active()
        assert "late" not in [one.name for one in conn.interfaces.list()]


def test_a_kill_changes_nothing(virtinterfaced: Virtinterfaced) -> None:
    def told() -> list[str]:
        with virloom.open_sync(virtinterfaced.uri()) as conn:
            return [one.xml_desc() for one in conn.interfaces.list()]

    before = told()
    assert len(before) > 5
    virtinterfaced.signal(signal.SIGKILL)
    virtinterfaced.start()
    assert told() == before
