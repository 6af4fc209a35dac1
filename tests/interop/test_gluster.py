# SPDX-License-Identifier: Apache-2.0
"""Pools of kind gluster, of a real server in a network of the test's own.

What is compared was recorded from libvirt 9.0.0 with such a server.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.interop.conftest import Virtstoraged, virtstoraged_running
from tests.interop.namespace import NetworkNamespace

#: Gluster takes no address of the loopback network for a server's own.
SERVER = "10.99.0.1"
#: Its places, and a brick in memory, which keeps its attributes.
SETUP = f"""
ip addr add {SERVER}/32 dev lo
for place in /var/lib/glusterd /var/log/glusterfs /run; do mount -t tmpfs private $place; done
mkdir -p /run/gluster /run/mnt /run/brick
mount -t tmpfs -o size=64m brick /run/brick
mkdir /run/brick/b
"""
POOL = (
    f"<pool type='gluster'><name>g</name><source><host name='{SERVER}'/><dir path='{{}}'/>"
    "<name>{}</name></source></pool>"
)
FILES = """
cd /run/mnt
truncate -s 1M raw
qemu-img create -q -f qcow2 -u -b base.img -F raw over 7M
mkdir sub
truncate -s 2M 'sub/in ner'
ln -s nowhere broken
mkfifo pipe
"""


#: By libvirt's binding, as virsh looks for a key first.
BY_PATH = (
    "import libvirt, sys\n"
    "print(libvirt.open(sys.argv[1]).storageVolLookupByPath(sys.argv[2]).name())"
)


@contextmanager
def served() -> Iterator[NetworkNamespace]:
    """A network with a server that has a volume ``v``, with files, seen at ``/run/mnt`` too."""
    if shutil.which("glusterd", path="/usr/sbin") is None or os.geteuid() != 0:
        pytest.skip("glusterfs-server is not installed, or this is not root")
    with NetworkNamespace(SETUP) as space:
        words = ["/usr/sbin/glusterd", "-N", "-l", "/dev/null"]
        server = subprocess.Popen([*space.prefix, *words], stderr=subprocess.DEVNULL)
        try:
            gluster = ("gluster", "--mode=script", "volume")
            deadline = time.monotonic() + 60
            while space.ask(*gluster, "info")[0] != 0:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            space.run(*gluster, "create", "v", f"{SERVER}:/run/brick/b", "force")
            space.run(*gluster, "start", "v")
            space.run("mount", "-t", "glusterfs", f"{SERVER}:/v", "/run/mnt")
            space.run("sh", "-ec", FILES)
            yield space
            space.run("umount", "/run/mnt")
        finally:
            space.ask("gluster", "--mode=script", "volume", "stop", "v", "force")
            server.kill()
            server.wait()


@pytest.fixture
def daemon() -> Iterator[Virtstoraged]:
    """Beside that server."""
    with served() as space, virtstoraged_running(space.prefix) as daemon:
        yield daemon


def test_files_of_a_volume(daemon: Virtstoraged, tmp_path: Path) -> None:
    run, document = daemon.virsh, tmp_path / "document.xml"
    document.write_text(f"<source><host name='{SERVER}'/></source>")
    assert run("find-storage-pool-sources", "gluster", str(document)) == (
        f"<sources>\n  <source>\n    <host name='{SERVER}'/>\n    <dir path='/'/>\n"
        "    <name>v</name>\n  </source>\n</sources>"
    )
    document.write_text(POOL.format("/", "v"))
    run("pool-create", str(document))
    assert f"<capacity unit='bytes'>{64 << 20}</capacity>" in run("pool-dumpxml", "g")
    listed = run("vol-list", "g").split()[3:]
    assert listed == [
        word for name in ("over", "raw", "sub") for word in (name, f"gluster://{SERVER}/v/{name}")
    ]
    shown = run("vol-dumpxml", "over", "g")
    assert f"<capacity unit='bytes'>{7 << 20}</capacity>" in shown
    assert "<backingStore>\n    <path>base.img</path>\n    <format type='raw'/>\n  </b" in shown
    assert "<volume type='netdir'>" in run("vol-dumpxml", "sub", "g")
    assert run("vol-name", f"gluster://{SERVER}/v/raw").strip() == "raw"
    words = ("/usr/bin/python3", "-c", BY_PATH, daemon.uri(), f"gluster://{SERVER}/v/raw")
    assert subprocess.check_output(words, text=True, timeout=30) == "raw\n"
    assert "'raw' exists already" in daemon.try_virsh("vol-create-as", "g", "raw", "1M").stderr
    for words in (("vol-create-as", "g", "x", "1M"), ("vol-resize", "raw", "9M", "g"),
                  ("vol-wipe", "raw", "g"), ("pool-delete", "g")):  # fmt: skip
        assert "not " in daemon.try_virsh(*words).stderr, words
    assert "Directory not empty" in daemon.try_virsh("vol-delete", "sub", "g").stderr
    run("vol-delete", "raw", "g")
    daemon.signal(signal.SIGKILL)
    daemon.start()
    run("pool-refresh", "g")
    assert "raw" not in run("vol-list", "g")
    run("pool-destroy", "g")
    document.write_text(POOL.format("/sub/", "v"))
    run("pool-create", str(document))
    assert f"gluster://{SERVER}/v/sub/in%20ner" in run("vol-list", "g")
    run("pool-destroy", "g")
    for place, words in (
        (
            ("/none", "v"),
            "change to directory '/none/' in 'v': No such file or directory",
        ),
        (("/", "w"), f"failed to connect to gluster://{SERVER}/w/: No such file or directory"),
        (("sub", "v"), "gluster pool path 'sub' must start with /"),
    ):
        document.write_text(POOL.format(*place))
        assert words in daemon.try_virsh("pool-create", str(document)).stderr
