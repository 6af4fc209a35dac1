# SPDX-License-Identifier: Apache-2.0
"""Zones of networks, with a real firewalld on a bus and in a network of the test's own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop.conftest import Virtnetworkd
from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs

pytestmark = [pytest.mark.long, *needs("firewalld", root=True), pytest.mark.timeout(180)]

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={0}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="*"/>
<allow receive_type="*"/></policy></busconfig>"""
NETWORK = """<network><name>z</name>{}<bridge name='virbr9' {}/>
<ip address='10.99.1.1' prefix='24'/></network>"""
NAT, ROUTE, OPEN = (f"<forward mode='{mode}'/>" for mode in ("nat", "route", "open"))
ZONE = "/usr/lib/firewalld/zones/libvirt-routed.xml"


class Firewalld:
    """One that can be ended and started again."""

    def __init__(self, host: NetworkNamespace, root: Path) -> None:
        self.host = host
        self.prefix = (*host.prefix, "env", f"DBUS_SYSTEM_BUS_ADDRESS=unix:path={root}/bus")
        (root / "bus.conf").write_text(BUS.format(root / "bus"))
        self._bus = subprocess.Popen(
            [*host.prefix, "dbus-daemon", f"--config-file={root}/bus.conf", "--nofork",
             "--nopidfile"], stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [*self.prefix, "firewalld", "--nofork", "--nopid"], stderr=subprocess.DEVNULL
        )
        until(lambda: self.ask("zone.getZones") != "")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def end(self) -> None:
        self.stop()
        self._bus.terminate()
        self._bus.wait()

    def ask(self, method: str, *words: str) -> str:
        name = "org.fedoraproject.FirewallD1"
        done = subprocess.run(
            [*self.prefix, "dbus-send", "--system", "--print-reply", f"--dest={name}",
             "/org/fedoraproject/FirewallD1", f"{name}.{method}", *words],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.stdout

    def zone(self) -> str:
        """Of the network's bridge."""
        said = self.ask("zone.getZoneOfInterface", "string:virbr9")
        return "".join(re.findall(r'string "(.*)"', said))


def until(true: object) -> None:
    deadline = time.monotonic() + 60
    assert callable(true)
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def scene() -> Iterator[tuple[Virtnetworkd, Firewalld]]:
    with ExitStack() as stack:
        root = Path(tempfile.mkdtemp(prefix="vz"))
        root.chmod(0o755)
        stack.callback(shutil.rmtree, root)
        private = ("/etc/firewalld", "/var/log")
        mounts = "; ".join(f"mount -t tmpfs none {place}" for place in private)
        host = stack.enter_context(NetworkNamespace(mounts))
        firewalld = Firewalld(host, root)
        stack.callback(firewalld.end)
        until((root / "bus").exists)
        daemon = Virtnetworkd(root, firewalld.prefix)
        daemon.start()
        stack.callback(daemon.signal, signal.SIGTERM)
        yield daemon, firewalld


@pytest.mark.skipif(not os.path.exists(ZONE), reason="firewalld has no zones of libvirt's packages")
def test_bridges_are_in_their_zones(scene: tuple[Virtnetworkd, Firewalld]) -> None:
    daemon, firewalld = scene

    def create(*parts: str) -> str:
        (daemon.root / "network.xml").write_text(NETWORK.format(*parts))
        return daemon.try_virsh("net-create", str(daemon.root / "network.xml")).stderr

    assert "firewalld is not active" in create(NAT, "zone='public'")
    assert create(NAT, "") == ""  # before there is any firewalld
    firewalld.start()
    until(lambda: firewalld.zone() == "libvirt")
    daemon.virsh("net-destroy", "z")
    assert firewalld.zone() == ""
    for mode, attribute, zone in (
        (ROUTE, "", "libvirt-routed"),
        (OPEN, "", ""),
        (OPEN, "zone='home'", "home"),
        ("", "", "libvirt"),
    ):
        assert create(mode, attribute) == ""
        assert firewalld.zone() == zone
        daemon.virsh("net-destroy", "z")
    assert "INVALID_ZONE: nosuch" in create(NAT, "zone='nosuch'")
    assert "virbr9" not in firewalld.host.run("ip", "link")
    assert create(NAT, "zone='public'") == ""
    firewalld.ask("reload")
    until(lambda: firewalld.zone() == "public")
    firewalld.stop()
    firewalld.start()
    until(lambda: firewalld.zone() == "public")
    daemon.virsh("net-destroy", "z")
