# SPDX-License-Identifier: Apache-2.0
"""What a real guest sends and hears: it forges frames behind a filter, has addresses of IPv6, and
takes another address on a macvtap. One guest, since it takes long to boot."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop.conftest import Virtnwfilterd
from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs
from tests.interop.test_guests_on_networks import Console, Host
from virloom.testing.documents import tiny_guest_xml

pytestmark = [
    *needs("dnsmasq", root=True),
    *needs("tcpdump", root=True),
    pytest.mark.long,
    pytest.mark.timeout(400),
]

NETWORK = """<network><name>default</name><forward mode='nat'><nat ipv6='yes'/></forward>
<bridge name='virbr0'/><ip address='192.168.122.1' prefix='24'/>
<ip family='ipv6' address='2001:db8:7::1' prefix='64'/></network>"""
_OUTSIDE = """
ip address add 203.0.113.2/24 dev eth0; ip -6 address add 2001:db8:ff::2/64 dev eth0 nodad
ip link set eth0 up
"""
_HOST = """
ip address add 203.0.113.1/24 dev eth0; ip -6 address add 2001:db8:ff::1/64 dev eth0 nodad
ip link set eth0 up
ip link add wire type veth peer name far
ip link set wire up; ip address add 10.9.0.1/24 dev far; ip link set far up
"""
OWN, FORGED, TAKEN = "192.168.122.50", "192.168.122.66", "52:54:00:00:77:77"
CARDS = f"""
<interface type='network'><mac address='52:54:00:00:88:00'/><source network='default'/>
<model type='virtio'/><filterref filter='clean-traffic'><parameter name='IP' value='{OWN}'/>
</filterref></interface>
<interface type='direct' trustGuestRxFilters='yes'><mac address='52:54:00:00:88:01'/>
<source dev='wire' mode='bridge'/><model type='virtio'/></interface>
<interface type='network'><mac address='52:54:00:00:88:02'/><source network='default'/>
<model type='virtio'/></interface>"""


class Guest:
    """The guest's shell."""

    def __init__(self, console: Path) -> None:
        self.console = Console(console)
        self.console.wake()
        self._count = 0

    def run(self, line: str, seconds: float = 60) -> int:
        """How a line of the shell ended."""
        self._count += 1
        self.console.tell(f"{line} >/dev/null 2>&1; echo end-{self._count}=$?.")
        said = self.console.expect(rf"end-{self._count}=\d+\.", seconds)
        return int(said.rpartition("=")[2].rstrip("."))

    def shows(self, line: str, pattern: str, seconds: float = 90) -> str:
        """Runs a line until what it prints has the pattern."""
        deadline = time.monotonic() + seconds
        while True:
            self._count += 1
            self.console.tell(f"{line}; echo end-{self._count}=0.")
            said = self.console.expect(rf"end-{self._count}=0\.")
            found = re.search(pattern, said)
            if found is not None:
                return found[1]
            assert time.monotonic() < deadline, said
            time.sleep(1)


@pytest.fixture
def host() -> Iterator[Host]:
    root = Path(tempfile.mkdtemp(prefix="gf"))
    root.chmod(0o755)
    with ExitStack() as stack:
        spaces = [stack.enter_context(NetworkNamespace("true")) for _ in range(2)]
        here, outside = spaces
        here.run(
            *("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0"),
            *("netns", str(outside.pid)),
        )
        here.run("sh", "-ec", _HOST)
        outside.run("sh", "-ec", _OUTSIDE)
        made = Host(here, root)
        filters = Virtnwfilterd(root, here.prefix)
        for daemon in (filters, made.networks, made.qemu):
            daemon.start()
        made.virsh("net-define", made.document(NETWORK))
        made.virsh("net-start", "default")
        try:
            yield made
        finally:
            for name in made.virsh("list", "--name").split():
                made.virsh("destroy", name)
            made.virsh("net-destroy", "default")
            for daemon in (made.qemu, made.networks, filters):
                assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
    shutil.rmtree(root)


def seen(host: Host, sending: Callable[[], object]) -> str:
    """What passes the bridge while something is sent, a line each."""
    watch = subprocess.Popen(
        [*host.space.prefix, "tcpdump", "-l", "-e", "-n", "-i", "virbr0", "arp or ip"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert watch.stderr is not None
    while "listening" not in watch.stderr.readline():
        pass
    sending()
    time.sleep(1)
    watch.terminate()
    return watch.communicate(timeout=20)[0]


def test_a_guest_with_three_cards(host: Host) -> None:
    path = host.root / "console"
    text = tiny_guest_xml(
        "real", machine="pc", console=f"unix:{path}", extra_devices=CARDS,
        modules=("virtio_pci", "virtio_net"),
    )  # fmt: skip
    host.virsh("create", host.document(text))
    guest = Guest(path)
    try:
        _forges(host, guest)
        _has_ipv6(host, guest)
        _takes_another_address(host, guest)
    finally:
        guest.console.close()
    host.virsh("destroy", "real")
    assert not {"vnet0", "vnet1", "macvtap0"} & set(host.links())


def _forges(host: Host, guest: Guest) -> None:
    """Behind clean-traffic: its own address passes, another one does not, of whatever kind."""
    own = f"busybox ifconfig eth0 {OWN} netmask 255.255.255.0 up"
    assert guest.run(own) == 0
    honest = seen(host, lambda: guest.run("busybox ping -c 2 -W 5 192.168.122.1"))
    assert f"{OWN} > 192.168.122.1: ICMP echo request" in honest
    assert guest.run("busybox ping -c 1 -W 5 203.0.113.2") in (0, 1)  # it has no way out yet
    for forging in (
        f"busybox ifconfig eth0 {FORGED} && busybox ping -c 2 -W 1 192.168.122.1",
        f"{own} && busybox arping -U -c 2 -I eth0 -s {FORGED} {FORGED}",
        "busybox ifconfig eth0 down && busybox ifconfig eth0 hw ether 52:54:00:00:66:66 && "
        f"{own} && busybox ping -c 2 -W 1 192.168.122.1",
    ):
        told = seen(host, lambda line=forging: guest.run(line))  # type: ignore[misc]
        assert FORGED not in told, forging
        assert "52:54:00:00:66:66" not in told, forging
    again = "busybox ifconfig eth0 down && busybox ifconfig eth0 hw ether 52:54:00:00:88:00"
    assert guest.run(f"{again} && {own} && busybox ping -c 1 -W 5 192.168.122.1") == 0


def _has_ipv6(host: Host, guest: Guest) -> None:
    """By what dnsmasq announces: an address, and a way out through the host."""
    assert guest.run("busybox ifconfig eth2 up") == 0
    network = r"inet6 (2001:db8:7:[0-9a-f:]+)/64 scope global dynamic"
    guest.shows("busybox ip -6 address show dev eth2", network)
    guest.shows("busybox ip -6 route", r"(default via fe80::)")
    guest.shows(
        "busybox ping6 -c 1 -W 5 2001:db8:ff::2 >/dev/null && echo reached-$?", r"(reached-0)"
    )


def _takes_another_address(host: Host, guest: Guest) -> None:
    """On a macvtap that follows; also one that a new daemon has taken over."""
    assert guest.run("busybox ifconfig eth1 10.9.0.2 netmask 255.255.255.0 up") == 0
    assert guest.run("busybox ping -c 2 -W 5 10.9.0.1") == 0
    take = f"busybox ifconfig eth1 down && busybox ifconfig eth1 hw ether {TAKEN}"
    assert guest.run(f"{take} && busybox ifconfig eth1 10.9.0.2 up") == 0
    guest.shows("busybox ping -c 1 -W 2 10.9.0.1 >/dev/null && echo heard-$?", r"(heard-0)")
    assert host.links()["macvtap0"]["address"] == TAKEN
    host.qemu.signal(signal.SIGKILL)
    assert guest.run("busybox ifconfig eth1 allmulti") == 0
    host.qemu.start()
    deadline = time.monotonic() + 20
    while "ALLMULTI" not in host.links()["macvtap0"]["flags"]:
        assert time.monotonic() < deadline, host.links()["macvtap0"]
        time.sleep(0.2)
    assert guest.run("busybox ping -c 2 -W 5 10.9.0.1") == 0
