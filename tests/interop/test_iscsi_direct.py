# SPDX-License-Identifier: Apache-2.0
"""Pools of kind iscsi-direct, of a real target in a network of the test's own.

What is compared was recorded from libvirt 9.0.0 with the same target.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Virtstoraged
from tests.interop.namespace import NetworkNamespace

TARGET, ME = "iqn.2013-06.com.example:t", "iqn.2013-06.com.example:me"
INITIATOR = f"<initiator><iqn name='{ME}'/></initiator>"
POOL = f"""<pool type='iscsi-direct'><name>d</name><source><host name='127.0.0.1' port='3260'/>
<device path='{TARGET}'/>{INITIATOR}</source></pool>"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Virtstoraged]:
    """Beside a target with two units."""
    if shutil.which("tgtd", path="/usr/sbin:/sbin") is None or shutil.which("iscsi-ls") is None:
        pytest.skip("tgt or libiscsi-bin is not installed")
    root = Path(tempfile.mkdtemp(prefix="vi"))
    with NetworkNamespace("mount -t tmpfs none /run") as space:
        words = ["/usr/sbin/tgtd", "-f", "--iscsi", "portal=127.0.0.1:3260"]
        with subprocess.Popen([*space.prefix, *words], stderr=subprocess.DEVNULL) as server:
            try:
                serve(space, tmp_path)
                daemon = Virtstoraged(root, space.prefix)
                daemon.start()
                yield daemon
                assert daemon.signal(signal.SIGTERM) == 0
            finally:
                server.kill()
    shutil.rmtree(root)


def serve(space: NetworkNamespace, directory: Path) -> None:
    """Has the server, which is about to start, serve two units."""
    manage = ("tgtadm", "--lld", "iscsi", "--tid", "1", "--op")
    deadline = time.monotonic() + 10
    while space.ask(*manage, "new", "--mode", "target", "--targetname", TARGET)[0] != 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for unit, size in ((1, 100), (2, 50)):
        image = directory / f"{unit}.img"
        with image.open("wb") as file:
            file.truncate(size << 20)
        space.run(*manage, "new", "--mode", "logicalunit", "--lun", str(unit), "-b", str(image))
    space.run(*manage, "bind", "--mode", "target", "-I", "ALL")


def test_units_of_a_target(daemon: Virtstoraged, tmp_path: Path) -> None:
    run, document = daemon.virsh, tmp_path / "document.xml"
    document.write_text(POOL)
    run("pool-define", str(document))
    run("pool-build", "d")
    run("pool-start", "d")
    shown = run("pool-dumpxml", "d")
    assert f"<capacity unit='bytes'>{150 << 20}</capacity>" in shown
    assert "<available unit='bytes'>0</available>" in shown
    path = f"ip-127.0.0.1:3260-iscsi-{TARGET}-lun-1"
    assert run("vol-dumpxml", "unit:0:0:1", "d") == (
        f"<volume type='network'>\n  <name>unit:0:0:1</name>\n  <key>{path}</key>\n"
        f"  <capacity unit='bytes'>{100 << 20}</capacity>\n"
        f"  <allocation unit='bytes'>{100 << 20}</allocation>\n"
        f"  <target>\n    <path>{path}</path>\n  </target>\n</volume>"
    )
    assert "network" in run("vol-info", "unit:0:0:2", "d")
    for words in (("vol-create-as", "d", "x", "1M"), ("vol-delete", "unit:0:0:2", "d"),
                  ("vol-resize", "unit:0:0:2", "100M", "d"), ("pool-delete", "d"),
                  ("vol-download", "unit:0:0:2", str(tmp_path / "out"), "d")):  # fmt: skip
        assert "not " in daemon.try_virsh(*words).stderr, words
    daemon.signal(signal.SIGKILL)
    daemon.start()
    assert "unit:0:0:2" in run("vol-list", "d")
    run("pool-destroy", "d")
    document.write_text(f"<source><host name='127.0.0.1'/>{INITIATOR}</source>")
    found = run("find-storage-pool-sources", "iscsi-direct", str(document))
    assert found == (
        "<sources>\n  <source>\n    <host name='127.0.0.1'/>\n"
        f"    <device path='{TARGET}'/>\n    <initiator>\n      <iqn name='{ME}'/>\n"
        "    </initiator>\n  </source>\n</sources>"
    )
    document.write_text(f"<source><host name='127.0.0.2'/>{INITIATOR}</source>")
    lost = daemon.try_virsh("find-storage-pool-sources", "iscsi-direct", str(document))
    assert "Failed to connect" in lost.stderr
