# SPDX-License-Identifier: Apache-2.0
"""Guests that boot from volumes: as virt-install and virt-clone make them, embedded, as a user."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import bootable
from tests.interop.conftest import Virtqemud
from tests.interop.test_other_clients import await_text, needs, run

HERE = Path(__file__).resolve().parent
SYSTEM_PYTHON = "/usr/bin/python3"

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]


class Everything(Virtqemud):
    """The daemon that has guests, pools and secrets."""

    name, sockets = "libvirtd", "libvirt"


@pytest.fixture
def daemon() -> Iterator[Everything]:
    """With a pool ``default`` of a bootable disk and a bootable CD, which were uploaded."""
    root = Path(tempfile.mkdtemp(prefix="vg"))
    root.chmod(0o755)
    (root / "default").mkdir(mode=0o755)
    daemon = Everything(root)
    daemon.start()
    try:
        daemon.virsh("pool-define-as", "default", "dir", "--target", str(root / "default"))
        daemon.virsh("pool-start", "default")
        upload(daemon, "boot", bootable.disk("BOOTED-DISK"))
        upload(daemon, "cd", bootable.cd("BOOTED-CD"))
        yield daemon
        for name in daemon.virsh("list", "--name").split():
            daemon.virsh("destroy", name)
    finally:
        assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
        shutil.rmtree(root)


def upload(daemon: Everything, name: str, content: bytes) -> None:
    """A volume of its own for *content*."""
    (daemon.root / "content").write_bytes(content)
    daemon.virsh("vol-create-as", "default", name, str(len(content)), "--format", "raw")
    daemon.virsh("vol-upload", name, str(daemon.root / "content"), "default")


def install(daemon: Everything, name: str, *words: str) -> Path:
    """Has virt-install make a guest and start it; what it says on its serial port."""
    said = daemon.root / f"{name}.log"
    run(
        daemon, "virt-install", "--connect", daemon.uri(), "--name", name,
        "--virt-type", "qemu", "--memory", "32", "--vcpus", "1", "--machine", "pc",
        "--osinfo", "detect=on,require=off", "--network", "none", "--graphics", "none",
        "--noautoconsole", "--serial", f"file,path={said}", *words,
    )  # fmt: skip
    return said


@needs("virt-install")
@needs("virt-clone")
def test_programs_that_know_pools(daemon: Everything) -> None:
    """``vol=``, ``pool=…,size=``, a CD that is a volume, a clone: each boots."""
    said = install(daemon, "imported", "--import", "--disk", "vol=default/boot")
    await_text(said, b"BOOTED-DISK")
    new = ("--disk", "pool=default,size=0.01,format=qcow2")
    cd = ("--disk", "vol=default/cd,device=cdrom")
    said = install(daemon, "made", "--import", *new, *cd, "--boot", "cdrom,hd")
    await_text(said, b"BOOTED-CD")
    assert "made.qcow2" in daemon.virsh("vol-list", "default")
    daemon.virsh("destroy", "imported")
    connected = ("virt-clone", "--connect", daemon.uri())
    run(daemon, *connected, "--original", "imported", "--name", "cloned", "--auto-clone")
    (daemon.root / "imported.log").unlink()
    daemon.virsh("start", "cloned")
    await_text(said.with_name("imported.log"), b"BOOTED-DISK")
    blocks = daemon.virsh("domblklist", "cloned")
    assert "boot-clone" in blocks
    assert "boot-clone" in daemon.virsh("vol-list", "default")


def test_volumes_as_openstack_uses_them(daemon: Everything) -> None:
    """By python3-libvirt: a lookup by path, an overlay, blockRebase, an encrypted volume."""
    done = subprocess.run(
        [SYSTEM_PYTHON, str(HERE / "volumes_session.py"), daemon.uri(), str(daemon.root)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + daemon.log()
    await_text(daemon.root / "overlay.log", b"BOOTED-DISK")
    assert done.stdout.splitlines() == [
        "found boot",
        "backed by boot",
        "rebased",
        "stands alone",
        "encrypted booted",
    ]


@pytest.mark.parametrize("user", [0, 65534], ids=["root", "user"])
def test_pools_volumes_and_secrets_of_an_embedded_root(user: int) -> None:
    """On one connection: an encrypted volume is made and booted from; all of it is kept."""
    with tempfile.TemporaryDirectory(prefix="ve") as name:
        root = Path(name)
        os.chown(root, user, user)
        (root / "boot").write_bytes(bootable.disk("BOOTED-ENCRYPTED"))
        python = SYSTEM_PYTHON if user else sys.executable  # one that the user can run
        session = [python, str(HERE / "embedded_volumes_session.py"), name]
        identity = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        done = subprocess.run(
            [*identity, *session] if user else session,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
            env={**os.environ, "HOME": name, "PYTHONPATH": str(HERE.parents[1] / "src")},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.split() == ["made", "booted", "kept"]
