# SPDX-License-Identifier: Apache-2.0
"""Networks of a host without nft: iptables has their rules, and nothing of them afterwards."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tests.interop.conftest import Virtnetworkd
from tests.interop.effect.filters import path
from tests.interop.namespace import NetworkNamespace
from tests.interop.programs import needs

pytestmark = needs("iptables-restore", root=True)

DOCUMENT = """<network><name>{0}</name><forward mode='nat'/><bridge name='virbr{0}' stp='off'/>
<ip address='10.7{0}.0.1' prefix='24'/><dns enable='no'/></network>"""


def saved(host: NetworkNamespace) -> list[str]:
    """Our rules and chains, of both versions of IP; counters left out."""
    texts = (host.run("iptables-save"), host.run("ip6tables-save"))
    lines = [line.split(" [")[0] for text in texts for line in text.splitlines()]
    return [line for line in lines if "VIRLOOM" in line]


def test_rules_by_iptables() -> None:
    root = Path(tempfile.mkdtemp(prefix="vn"))
    root.chmod(0o755)
    try:
        with NetworkNamespace("iptables -P FORWARD DROP") as host:
            daemon = Virtnetworkd(root, (*host.prefix, *path(root, "iptables")))
            daemon.start()
            _life(host, daemon)
            assert daemon.signal(signal.SIGTERM) == 0
            _is_chosen(host, root)
    finally:
        shutil.rmtree(root)


def _life(host: NetworkNamespace, daemon: Virtnetworkd) -> None:
    for name in ("1", "2"):
        (daemon.root / "network.xml").write_text(DOCUMENT.format(name))
        daemon.virsh("net-create", str(daemon.root / "network.xml"))
    both = saved(host)
    assert any("MASQUERADE" in line for line in both)
    host.run("iptables", "-F", "VIRLOOM_FWI_virbr1")
    _until(host, both)  # put back while the daemon runs
    daemon.signal(signal.SIGKILL)
    host.run("iptables", "-F")
    host.run("ip6tables", "-F")
    daemon.start()
    assert sorted(saved(host)) == sorted(both)  # put back when one starts
    daemon.virsh("net-destroy", "1")
    assert not any("virbr1" in line for line in saved(host))
    assert any("-j VIRLOOM_FWO_virbr2" in line for line in saved(host))
    daemon.virsh("net-destroy", "2")
    assert saved(host) == [], daemon.log()
    assert "-P FORWARD DROP" in host.run("iptables", "-S")  # the host's own are as they were


def _until(host: NetworkNamespace, wanted: list[str]) -> None:
    deadline = time.monotonic() + 10
    while sorted(saved(host)) != sorted(wanted):
        assert time.monotonic() < deadline, saved(host)
        time.sleep(0.05)


def _is_chosen(host: NetworkNamespace, root: Path) -> None:
    """``network.conf`` chooses; an active network's rules change over with the next daemon."""
    config = root / "etc/libvirt/network.conf"
    daemon = Virtnetworkd(root, host.prefix)  # on whose path both are
    config.write_text('firewall_backend = "iptables"\n')
    daemon.start()
    daemon.virsh("net-create", str(root / "network.xml"))
    assert "virloom_" not in host.run("nft", "list", "tables")
    assert any("virbr2" in line for line in saved(host))
    assert daemon.signal(signal.SIGTERM) == 0
    config.write_text('firewall_backend = "nftables"\n')
    daemon.start()
    assert "virloom_virbr2" in host.run("nft", "list", "tables")
    assert saved(host) == []
    daemon.virsh("net-destroy", "2")
    assert "virloom_" not in host.run("nft", "list", "tables")
    assert daemon.signal(signal.SIGTERM) == 0
    for text, said in (
        ('firewall_backend = "ebtables"', 'must be "nftables" or "iptables"'),
        ("other = 1", "there is no key 'other'"),
    ):
        config.write_text(text)
        done = subprocess.run(daemon.command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert said in done.stderr
