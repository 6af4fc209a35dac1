# SPDX-License-Identifier: Apache-2.0
"""Our ``libvirtd``: domains and secrets in one process, on one connection of virsh."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import virloom
from tests.interop.conftest import STEP, Virtqemud
from virloom.client.domain.events import LifecycleEvent
from virloom.testing.documents import paused_guest_xml

_SECRET = "<secret><usage type='ceph'><name>n</name></usage></secret>"


class Everything(Virtqemud):
    """The daemon that has it all."""

    name, sockets = "libvirtd", "libvirt"


def test_domains_and_secrets_on_one_connection(virtqemud: Virtqemud, tmp_path: Path) -> None:
    """And a kill: the guest goes on, the secret is there."""
    root = virtqemud.root / "all"
    root.mkdir(mode=0o755)
    daemon = Everything(root)
    daemon.start()
    try:
        (tmp_path / "guest.xml").write_text(paused_guest_xml("web"))
        (tmp_path / "secret.xml").write_text(_SECRET)
        with virloom.open_sync(daemon.uri()) as conn:
            heard = []
            stop = conn.on_event(heard.append, LifecycleEvent)
            stop_secrets = conn.secrets.on_event(heard.append)
            daemon.virsh("define", str(tmp_path / "guest.xml"))
            daemon.virsh("start", "web", "--paused")
            daemon.virsh("secret-define", str(tmp_path / "secret.xml"))
            deadline = time.monotonic() + STEP
            wanted = {"LifecycleEvent", "SecretLifecycleEvent"}
            while (kinds := {type(event).__name__ for event in heard}) != wanted:
                assert time.monotonic() < deadline, kinds
                time.sleep(0.02)
            stop()
            stop_secrets()
        assert daemon.signal(signal.SIGKILL) == -signal.SIGKILL
        daemon.start()
        assert "ceph n" in daemon.virsh("secret-list")
        assert daemon.virsh("domstate", "web") == "paused"
        assert daemon.virsh("list", "--name", readonly=True) == "web"
        assert "lo" in daemon.virsh("iface-list", "--all", readonly=True).split()
        with virloom.open_sync(daemon.uri().replace("qemu", "interface", 1)) as conn:
            assert not conn.interfaces.lookup_by_name("lo").is_active()
        daemon.virsh("pool-create-as", "pool", "dir", "--target", str(tmp_path))
        assert "guest.xml" in daemon.virsh("vol-list", "pool")
        assert "clean-traffic" in daemon.virsh("nwfilter-list")
    finally:
        daemon.try_virsh("destroy", "web")
        assert daemon.signal(signal.SIGTERM) == 0, daemon.log()


def test_its_units_name_its_sockets(tmp_path: Path) -> None:
    program = "from virloom.daemons.libvirtd import main; raise SystemExit(main())"
    command = [sys.executable, "-c", program, "--print-units", str(tmp_path)]
    subprocess.run(command, check=True, timeout=STEP, stdout=subprocess.DEVNULL)
    assert "ListenStream=/run/libvirt/libvirt-sock\n" in (tmp_path / "libvirtd.socket").read_text()
    readonly = (tmp_path / "libvirtd-ro.socket").read_text()
    assert "ListenStream=/run/libvirt/libvirt-sock-ro\n" in readonly
