# SPDX-License-Identifier: Apache-2.0
"""Networks that libvirtd 9 has started become ours: bridge and ports stay, its rules go."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.conftest import Virtnetworkd
from tests.interop.programs import needs
from tests.interop.reference import Libvirtd, needs_libvirtd

pytestmark = [pytest.mark.long, *needs("dnsmasq", root=True), *needs_libvirtd]

UUID = "0b2d1d3e-0000-4000-8000-00000000aa09"
NETWORKS = (
    "<network><name>default</name><forward mode='nat'/><bridge name='virbr0'/>"
    "<ip address='192.168.122.1' netmask='255.255.255.0'>"
    "<dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip>"
    "<ip family='ipv6' address='fd66::1' prefix='64'/></network>",
    "<network><name>gone</name><bridge name='virbr1'/>"
    "<ip address='10.10.0.1' netmask='255.255.255.0'/></network>",
)
PORT = f"""<networkport><uuid>{UUID}</uuid><owner><name>g</name>
<uuid>0b2d1d3e-0000-4000-8000-000000000009</uuid></owner>
<mac address='52:54:00:00:63:09'/></networkport>"""


class Inside:
    """The network and the files that libvirtd has for itself, which outlive it."""

    def __init__(self, pid: int) -> None:
        self._holder = subprocess.Popen(
            ["nsenter", "--target", str(pid), "--net", "--mount", "sleep", "infinity"]
        )
        while b"sleep" not in Path(f"/proc/{self._holder.pid}/cmdline").read_bytes():
            pass
        self.prefix = ("nsenter", "--target", str(self._holder.pid), "--net", "--mount")
        self.root = Path(f"/proc/{self._holder.pid}/root")

    def run(self, *words: str, text: str | None = None) -> str:
        return subprocess.run(
            [*self.prefix, *words], input=text, capture_output=True, text=True, timeout=30,
            check=True,
        ).stdout  # fmt: skip

    def rules(self) -> list[str]:
        """Libvirt's, of both interfaces and both versions of IP."""
        programs = [f"{ip}tables-{kind}-save" for ip in ("ip", "ip6") for kind in ("nft", "legacy")]
        return re.findall(r"^.*LIBVIRT.*$", "".join(map(self.run, programs)), re.MULTILINE)

    def end(self) -> None:
        """Ends what is left there: libvirt's dnsmasq, and who holds the namespaces."""
        space = Path(f"/proc/{self._holder.pid}/ns/net").readlink()
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if (path / "ns/net").readlink() == space:
                    subprocess.run(["kill", "-9", path.name], check=False)
            except OSError:
                continue
        self._holder.wait()


@contextmanager
def left_by_libvirtd() -> Iterator[Inside]:
    """It has started the networks, and was killed."""
    directory = Path(tempfile.mkdtemp(prefix="lv-"))
    daemon = Libvirtd(directory, networks=True)
    daemon.await_socket()
    inside = Inside(daemon.process.pid)
    try:
        for document in (*NETWORKS, PORT):
            (directory / "document.xml").write_text(document)
            words = ("net-port-create", "default") if document is PORT else ("net-create",)
            virsh = ("virsh", "-c", daemon.uri, *words, str(directory / "document.xml"))
            subprocess.run(virsh, check=True, capture_output=True, timeout=30)
        command = [*_ours(directory, inside).command, "--root", "/"]
        refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert refused.returncode == 1
        assert f"libvirt's daemon (process {daemon.process.pid})" in refused.stderr
        daemon.process.kill()
        daemon.process.wait()
        yield inside
    finally:
        daemon.end()
        inside.end()
        shutil.rmtree(directory)


def _ours(directory: Path, inside: Inside) -> Virtnetworkd:
    return Virtnetworkd(directory, inside.prefix)


def test_networks_of_libvirt_become_ours() -> None:
    with left_by_libvirtd() as inside:
        # The other interface of iptables has the same rules: who knows which one it was.
        for ip in ("ip", "ip6"):
            saved = inside.run(f"{ip}tables-nft-save", "-t", "filter")
            inside.run(f"{ip}tables-legacy-restore", "--noflush", text=saved)
        inside.run("iptables-legacy", "-A", "INPUT", "-p", "icmp", "-j", "ACCEPT")
        assert len(inside.rules()) > 60
        index = _index(inside)
        inside.run("ip", "link", "delete", "virbr1")
        directory = Path(tempfile.mkdtemp(prefix="vn"))
        ours = _ours(directory, inside)
        ours.start("--root", "/")
        try:
            _is_ours(inside, ours, index)
        finally:
            assert ours.signal(signal.SIGTERM) == 0, ours.log()
            shutil.rmtree(directory)


def _index(inside: Inside) -> str:
    return inside.run("ip", "-o", "link", "show", "virbr0").partition(":")[0]


def _is_ours(inside: Inside, ours: Virtnetworkd, index: str) -> None:
    def virsh(*words: str) -> str:
        return inside.run("virsh", "-c", "network:///system", *words)

    assert inside.rules() == [], ours.log()
    assert "-p icmp -j ACCEPT" in inside.run("iptables-legacy", "-S")  # somebody else's stays
    assert _index(inside) == index
    assert "inet virloom_virbr0" in inside.run("nft", "list", "tables")
    assert virsh("net-list", "--name").split() == ["default"]
    assert UUID in virsh("net-port-list", "default")
    run = inside.root / "run/libvirt/network"
    assert not list(run.glob("*.xml"))
    pid = (run / "default.pid").read_text().strip()
    script = Path(f"/proc/{pid}/cmdline").read_bytes()
    assert b"--dhcp-script=/run/libvirt/network/default.leases" in script
    assert not list(run.glob("gone*"))
    virsh("net-destroy", "default")
    assert "virbr" not in inside.run("ip", "link")
    command = Path(f"/proc/{pid}/cmdline")  # of an ended process it is empty
    assert not command.exists() or not command.read_bytes()
