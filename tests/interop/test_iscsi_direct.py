# SPDX-License-Identifier: Apache-2.0
"""Pools of kind iscsi-direct, of a real target in a network of the test's own.

What is compared was recorded from libvirt 9.0.0 with the same target.
"""

from __future__ import annotations

import base64
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Virtsecretd, Virtstoraged, virtstoraged_running
from tests.interop.iscsi_target import ME, PASSWORD, TARGET, served

UUID = "dddddddd-2222-3333-4444-555555555555"
SECRET = (
    f"<secret private='yes'><uuid>{UUID}</uuid><usage type='iscsi'><target>t</target></usage>"
    "</secret>"
)
INITIATOR = f"<initiator><iqn name='{ME}'/></initiator>"
POOL = f"""<pool type='iscsi-direct'><name>d</name><source><host name='127.0.0.1' port='3260'/>
<device path='{TARGET}'/>{INITIATOR}</source></pool>"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Virtstoraged]:
    """Beside a target with two units."""
    with served(tmp_path) as space, virtstoraged_running(space.prefix) as daemon:
        yield daemon


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
                  ("vol-wipe", "unit:0:0:2", "d", "--algorithm", "random"),
                  ("vol-download", "unit:0:0:2", str(tmp_path / "out"), "d")):  # fmt: skip
        assert re.search("not |unsupported", daemon.try_virsh(*words).stderr), words
    image = tmp_path / "1-2.img"
    with image.open("r+b") as file:
        file.write(b"secret")
        file.seek(-6, os.SEEK_END)
        file.write(b"secret")
    run("vol-wipe", "unit:0:0:2", "d")
    assert image.read_bytes().count(0) == 50 << 20
    daemon.signal(signal.SIGKILL)
    daemon.start()
    assert "unit:0:0:2" in run("vol-list", "d")
    run("pool-destroy", "d")
    document.write_text(f"<source><host name='127.0.0.1'/>{INITIATOR}</source>")
    found = run("find-storage-pool-sources", "iscsi-direct", str(document))
    sources = [
        f"  <source>\n    <host name='127.0.0.1'/>\n    <device path='{name}'/>\n    <initiator>\n"
        f"      <iqn name='{ME}'/>\n    </initiator>\n  </source>\n"
        for name in (f"{TARGET}-locked", TARGET)
    ]
    assert found == f"<sources>\n{''.join(sources)}</sources>"
    document.write_text(f"<source><host name='127.0.0.2'/>{INITIATOR}</source>")
    lost = daemon.try_virsh("find-storage-pool-sources", "iscsi-direct", str(document))
    assert "Failed to connect" in lost.stderr


def test_a_target_that_wants_a_password(daemon: Virtstoraged, tmp_path: Path) -> None:
    document = tmp_path / "document.xml"

    def start(user: str = "joe") -> str:
        auth = f"<auth type='chap' username='{user}'><secret usage='t'/></auth>"
        locked = POOL.replace(f"'{TARGET}'/>", f"'{TARGET}-locked'/>{auth}")
        document.write_text(locked)
        return daemon.try_virsh("pool-create", str(document)).stderr

    assert "the secret driver is not installed here" in start()
    keeper = Virtsecretd(daemon.root, daemon.prefix)
    keeper.start()
    try:
        assert "no secret with matching usage" in start()
        document.write_text(SECRET)
        keeper.virsh("secret-define", str(document))
        assert "does not have a value" in start()
        for value, user in (("wrong", "joe"), (PASSWORD, "jim")):
            keeper.virsh("secret-set-value", UUID, base64.b64encode(value.encode()).decode())
            assert "Failed to connect" in start(user)
        assert start() == ""
        assert daemon.virsh("vol-list", "d").count("unit:0:0:1") == 1
        assert PASSWORD not in daemon.virsh("pool-dumpxml", "d")
        daemon.virsh("pool-destroy", "d")
    finally:
        assert keeper.signal(signal.SIGTERM) == 0
