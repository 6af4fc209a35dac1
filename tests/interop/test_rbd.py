# SPDX-License-Identifier: Apache-2.0
"""Pools of kind rbd on a real Ceph, beside libvirtd 9."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop import bootable
from tests.interop.ceph_cluster import Cluster, served
from tests.interop.conftest import Virtqemud, Virtstoraged
from tests.interop.held_programs import until
from tests.interop.reference import Libvirtd, needs_libvirtd

SESSIONS = Path(__file__).parent / "sessions"
DRIVER = Path("/usr/lib/x86_64-linux-gnu/qemu/block-rbd.so")
#: What is meant to be otherwise: an image is copied from its own pool alone, where libvirt takes
#: what has that name in the new one.
WANTED = {
    "to another": {"error": [67, 18]}, "from a file": {"error": [67, 18]},
    "to a file": {"error": [67, 18]},
}  # fmt: skip

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


class Everything(Virtqemud):
    """The daemon that has pools and secrets."""

    name, sockets = "libvirtd", "libvirt"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    home = Path(tempfile.mkdtemp(prefix="cc"))
    home.chmod(0o755)  # QEMU reads its configuration
    with served(home) as cluster:
        yield cluster
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def prefix(cluster: Cluster) -> list[str]:
    """What a command line begins with that is to run in the cluster's network."""
    return ["nsenter", "--target", str(cluster.space.pid), "--net"]


@pytest.fixture(scope="module")
def reference(prefix: list[str]) -> Iterator[Libvirtd]:
    directory = Path(tempfile.mkdtemp(prefix="lv-"))
    directory.chmod(0o755)  # its guests run as another user
    with Libvirtd(directory, prefix=prefix).running() as daemon:
        yield daemon
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def ours(prefix: list[str]) -> Iterator[Everything]:
    root = Path(tempfile.mkdtemp(prefix="vr"))
    root.chmod(0o755)
    daemon = Everything(root, prefix)
    daemon.start()
    yield daemon
    assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
    shutil.rmtree(root)


def steps(cluster: Cluster, uri: str, script: str, part: str) -> list[list[Any]]:
    """What libvirt's binding makes of a session, step by step."""
    home = Path(tempfile.mkdtemp(prefix="rh"))
    home.chmod(0o777)
    words = ["/usr/bin/python3", str(SESSIONS / script), uri, str(home), str(cluster.configuration)]
    done = subprocess.run(
        [*cluster.space.prefix, *words, part, cluster.key()],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    shutil.rmtree(home)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@needs_libvirtd[0]
@needs_libvirtd[1]
@pytest.mark.parametrize(
    ("script", "part"),
    [("storage_rbd.py", "life"), ("storage_rbd.py", "documents"), ("storage_rbd.py", "locked"),
     ("storage_rbd_images.py", "made"), ("storage_rbd_images.py", "changed")],
)  # fmt: skip
def test_the_same_session(
    cluster: Cluster, reference: Libvirtd, ours: Everything, script: str, part: str
) -> None:
    theirs = steps(cluster, reference.uri, script, part)
    assert len(theirs) > 30
    wanted = [[name, WANTED.get(name, value)] for name, value in theirs]
    assert steps(cluster, ours.uri(), script, part) == wanted


@needs_libvirtd[0]
@needs_libvirtd[1]
@pytest.mark.skipif(not DRIVER.exists(), reason="qemu-block-extra is not installed")
def test_guests_of_images(
    cluster: Cluster, reference: Libvirtd, ours: Everything, tmp_path: Path
) -> None:
    file = tmp_path / "boot.img"
    file.write_bytes(bootable.disk("BOOTED"))
    os.truncate(file, 8 << 20)
    told = []
    for uri in (reference.uri, ours.uri()):
        for name in ("boot", "second", "odd name"):
            cluster.rbd("import", str(file), f"one/{name}")
        cluster.rbd("snap", "create", "one/boot@then")
        told.append(steps(cluster, uri, "rbd_guests.py", "-"))
        cluster.rbd("snap", "purge", "one/boot")
        for name in ("boot", "second", "odd name"):
            cluster.rbd("rm", f"one/{name}")
    theirs, mine = told
    for name in ("nobody", "admin", "by-uuid", "odd-name"):
        assert [f"{name}: booted", True] in theirs
    assert mine == theirs


@pytest.fixture
def daemon(prefix: list[str], cluster: Cluster, tmp_path: Path) -> Iterator[Virtstoraged]:
    """With a pool, and an image of 256 MiB."""
    root = Path(tempfile.mkdtemp(prefix="vs"))
    daemon = Virtstoraged(root, prefix)
    daemon.patience = 90  # the lock of who was killed is to be waited for
    daemon.start()
    source = "<source><host name='127.0.0.1'/><name>one</name></source>"
    (tmp_path / "pool.xml").write_text(f"<pool type='rbd'><name>r</name>{source}</pool>")
    daemon.virsh("pool-create", str(tmp_path / "pool.xml"))
    daemon.virsh("vol-create-as", "r", "big", "256M")
    try:
        yield daemon
        until(lambda: "watcher=" not in cluster.rbd("status", "one/big"))
        daemon.virsh("vol-delete", "big", "r", "--delete-snapshots")
    finally:
        assert daemon.signal(signal.SIGTERM) == 0, daemon.log()
    shutil.rmtree(root)


def cut_off(daemon: Virtstoraged, cluster: Cluster, *words: str) -> None:
    """Kills a daemon while a program of its works at the image, and starts it again."""
    command = ["virsh", "-c", daemon.uri(), *words]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
        until(lambda: "watcher=" in cluster.rbd("status", "one/big"))
        daemon.signal(signal.SIGKILL)
        assert client.wait(daemon.patience) != 0
    daemon.start()
    until(lambda: daemon.virsh("pool-list", "--name") == "r")
    assert "big" in daemon.virsh("vol-list", "r")


def test_kills(daemon: Virtstoraged, cluster: Cluster) -> None:
    run = daemon.virsh
    fill = ("bench", "--io-type", "write", "--io-size", "4M", "--io-total", "64M", "one/big")
    cluster.rbd(*fill)
    cut_off(daemon, cluster, "vol-wipe", "big", "r")
    run("vol-wipe", "big", "r")
    for _ in range(3):
        cut_off(daemon, cluster, "vol-clone", "big", "copy", "r")
        assert cluster.rbd("ls", "one").split() == ["big"], "what was being made is gone"
    run("vol-clone", "big", "copy", "r")
    assert cluster.rbd("children", "one/big").split() == ["one/copy"]
    snapshots = json.loads(cluster.rbd("snap", "ls", "--format", "json", "one/big"))
    assert len(snapshots) == 1, "what one that was cut off has left, the next one has taken"
    assert (
        "Device or resource busy"
        in daemon.try_virsh("vol-delete", "big", "r", "--delete-snapshots").stderr
    )
    run("vol-delete", "copy", "r")


def test_a_copy_that_is_larger(daemon: Virtstoraged, cluster: Cluster, tmp_path: Path) -> None:
    document = tmp_path / "copy.xml"
    document.write_text("<volume><name>c</name><capacity unit='GiB'>2</capacity></volume>")
    daemon.virsh("vol-create-from", "r", str(document), "big", "--inputpool", "r")
    assert json.loads(cluster.rbd("info", "--format", "json", "one/c"))["size"] == 2 << 30
    assert f"<capacity unit='bytes'>{2 << 30}</capacity>" in daemon.virsh("vol-dumpxml", "c", "r")
    daemon.virsh("vol-delete", "c", "r")
