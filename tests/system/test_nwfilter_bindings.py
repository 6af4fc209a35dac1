# SPDX-License-Identifier: Apache-2.0
"""Filters at work: what passes a port while filters change, addresses come, daemons are killed.

``VIRLOOM_KILLS=100`` kills the daemon so many times.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import virloom
from tests.system.filterednet import MAC, OTHER, Filtering, arp, binding, dhcp, filtering, packet
from virloom.errors import InternalError, NoNwfilterBinding, OperationInvalid, SystemFailure
from virloom.sync.portal import portal

pytestmark = pytest.mark.skipif(
    shutil.which("nft", path="/usr/sbin:/usr/bin") is None or os.geteuid() != 0,
    reason="nft is not installed, or this is not root, who can make links",
)

_KILLS = int(os.environ.get("VIRLOOM_KILLS", "5"))
_LEASES = "run/libvirt/network/nwfilter.leases"


@pytest.fixture(scope="module", autouse=True)
def _portal() -> None:
    """Lives as long as the process: no leak of the test that happens to be first."""
    portal()


@pytest.fixture(scope="module")
def daemon() -> Iterator[Filtering]:
    with filtering() as running:
        yield running


@pytest.fixture
def mortal() -> Iterator[Filtering]:
    """One that is killed and started again."""
    with filtering() as running:
        assert running.arrives("g0", "g1", packet("10.0.0.3"), 30)
        yield running


def eventually(true: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def passes(daemon: Filtering, frame: bytes, port: str = "g0") -> bool:
    return daemon.arrives(port, "g1", frame)


def drop(address: str, name: str = "own", uuid: str = "") -> str:
    match = f"<ip srcipaddr='{address}'/>"
    return (
        f"<filter name='{name}'>{f'<uuid>{uuid}</uuid>' if uuid else ''}"
        f"<rule action='drop' direction='out'>{match}</rule></filter>"
    )


def test_filters_on_a_port(daemon: Filtering) -> None:
    assert daemon.arrives("g0", "g1", packet("10.0.0.3"), 30)  # the bridge takes a moment
    with virloom.open_sync(daemon.uri()) as conn:
        made = conn.nwfilter_bindings.create_xml(binding(("IP", "10.0.0.1")))
        assert passes(daemon, packet("10.0.0.1"))
        assert passes(daemon, arp("10.0.0.1"))
        assert not passes(daemon, packet("10.0.0.3"))
        assert not passes(daemon, packet("10.0.0.1", OTHER))
        assert not passes(daemon, arp("10.0.0.3"))
        assert passes(daemon, packet("10.0.0.3"), "g2")  # another's port
        made.delete()
        assert passes(daemon, packet("10.0.0.3"))
    assert "virloom-port" not in daemon.tables()
    assert daemon.records == []


def test_filters_change_while_they_are_at_work(daemon: Filtering) -> None:
    with virloom.open_sync(daemon.uri()) as conn:
        own = conn.nwfilters.define_xml(drop("10.0.0.3"))
        uuid = str(own.uuid)
        conn.nwfilters.define_xml("<filter name='over'><filterref filter='own'/></filter>")
        ports = [
            conn.nwfilter_bindings.create_xml(binding(("IP", "10.0.0.1"), name=name, port=port))
            for name, port in (("over", "vnet0"), ("own", "vnet2"))
        ]
        conn.nwfilters.define_xml(drop("10.0.0.4", uuid=uuid))
        for port in ("g0", "g2"):
            assert passes(daemon, packet("10.0.0.3"), port)
            assert not passes(daemon, packet("10.0.0.4"), port)
        before = own.xml_desc()
        for refused in (drop("$X", uuid=uuid), f"<filter name='own'><uuid>{uuid}</uuid>"
                        "<filterref filter='none'/></filter>"):  # fmt: skip
            with pytest.raises(InternalError):
                conn.nwfilters.define_xml(refused)
        with pytest.raises(OperationInvalid, match="nwfilter is in use"):
            own.undefine()
        assert own.xml_desc() == before
        assert not passes(daemon, packet("10.0.0.4"))
        for one in ports:
            one.delete()
        own.undefine()
        conn.nwfilters.lookup_by_name("over").undefine()


def test_what_is_refused_leaves_nothing(daemon: Filtering) -> None:
    before = daemon.tables()
    with virloom.open_sync(daemon.uri()) as conn:
        with pytest.raises(SystemFailure, match="No such device"):
            conn.nwfilter_bindings.create_xml(binding(("IP", "10.0.0.1"), port="vnet9"))
        for port in ("-j", "../x", "a b", "a" * 16):
            with pytest.raises(InternalError, match="cannot be the name"):
                conn.nwfilter_bindings.create_xml(binding(port=port))
        with pytest.raises(InternalError):
            conn.nwfilter_bindings.create_xml(binding(("IP", "nonsense")))
    assert daemon.tables() == before
    assert daemon.records == []


def test_the_first_address_is_learned(daemon: Filtering) -> None:
    with virloom.open_sync(daemon.uri()) as conn:
        made = conn.nwfilter_bindings.create_xml(binding())
        assert not passes(daemon, packet("10.0.0.5", OTHER))
        assert passes(daemon, arp("10.0.0.5"))
        eventually(lambda: not passes(daemon, packet("10.0.0.6")))
        assert passes(daemon, packet("10.0.0.5"))
        assert "10.0.0.5" not in made.xml_desc()  # as by libvirt
        made.delete()


@pytest.mark.skipif(
    shutil.which("dnsmasq", path="/usr/sbin:/usr/bin") is None or shutil.which("busybox") is None,
    reason="dnsmasq or busybox is not installed",
)
def test_an_address_by_dhcp(daemon: Filtering, tmp_path: Path) -> None:
    network = daemon.network
    network.run("ip", "address", "add", "10.0.0.9/24", "dev", "g1")
    network.run("ip", "link", "set", "g0", "address", MAC)
    server = subprocess.Popen(
        [*network.prefix, "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0",
         "--interface=g1", "--bind-interfaces", f"--dhcp-leasefile={tmp_path / 'leases'}",
         "--user=root", "--dhcp-range=10.0.0.77,10.0.0.77,120"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    leases = daemon.root / _LEASES
    client = ["busybox", "udhcpc", "-i", "g0", "-f", "-n", "-s", "/bin/true", "-t", "8", "-T", "1"]
    by_dhcp = binding(("CTRL_IP_LEARNING", "dhcp"))
    try:
        with virloom.open_sync(daemon.uri()) as conn:
            made = conn.nwfilter_bindings.create_xml(by_dhcp)
            assert not passes(daemon, packet("10.0.0.77"))
            assert not passes(daemon, arp("10.0.0.77"))
            network.run(*client, "-q")
            eventually(lambda: passes(daemon, packet("10.0.0.77")))
            assert not passes(daemon, packet("10.0.0.78"))
            expiry, card, *rest = leases.read_text().split()
            assert card == f"11111111-2222-3333-4444-555555555555-{MAC}"
            assert rest == ["10.0.0.77", "10.0.0.9"]
            assert 60 < int(expiry) - time.time() <= 121
            made.delete()
            conn.nwfilter_bindings.create_xml(by_dhcp)  # the guest is restored, and keeps it
            assert passes(daemon, packet("10.0.0.77"))
            forged = dhcp(5, given="10.0.0.78")
            assert passes(daemon, forged)
            assert not passes(daemon, packet("10.0.0.78"))
            assert passes(daemon, dhcp(7, client="10.0.0.77"))  # it gives its lease back
            eventually(lambda: not passes(daemon, packet("10.0.0.77")))
            assert leases.read_text() == ""
            conn.nwfilter_bindings.lookup_by_port_dev("vnet0").delete()
    finally:
        server.terminate()
        server.wait(10)


@pytest.mark.long
def test_kills(mortal: Filtering) -> None:
    """Whenever the daemon is killed, a binding that was there protects, with the address that was
    learned; others left nothing.
    """
    with virloom.open_sync(mortal.uri()) as conn:
        conn.nwfilter_bindings.create_xml(binding())
        assert passes(mortal, arp("10.0.0.1"))
        eventually(lambda: not passes(mortal, packet("10.0.0.3")))
    chance = random.Random(7)
    for _ in range(_KILLS):
        driving = subprocess.Popen(
            ["sh", "-c", "while :; do"
             f" virsh -c '{mortal.uri()}' nwfilter-binding-create /dev/stdin <<'E'\n"
             f"{binding(('IP', '10.0.0.1'), port='vnet2')}\nE\n"
             f"virsh -c '{mortal.uri()}' nwfilter-binding-delete vnet2; done"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        time.sleep(chance.uniform(0.05, 0.4))
        mortal.signal(signal.SIGKILL)
        os.killpg(driving.pid, signal.SIGKILL)
        driving.wait()
        assert not passes(mortal, packet("10.0.0.3"))
        mortal.start()
        assert passes(mortal, packet("10.0.0.1"))
        with virloom.open_sync(mortal.uri()) as conn:
            found = {one.port_dev for one in conn.nwfilter_bindings.list()}
            assert {f"{port}.json" for port in found} == set(mortal.records)
            assert ("vnet2" in found) == ("virloom-port-vnet2" in mortal.tables())
            if "vnet2" in found:
                conn.nwfilter_bindings.lookup_by_port_dev("vnet2").delete()
    mortal.signal(signal.SIGKILL)
    mortal.network.run("ip", "link", "delete", "vnet0")
    mortal.start()
    with virloom.open_sync(mortal.uri()) as conn, pytest.raises(NoNwfilterBinding):
        conn.nwfilter_bindings.lookup_by_port_dev("vnet0")
    assert "virloom-port" not in mortal.tables()
    assert mortal.records == []
