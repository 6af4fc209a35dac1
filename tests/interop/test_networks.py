# SPDX-License-Identifier: Apache-2.0
"""virtnetworkd beside libvirtd 9, and after a kill: the networks that are defined."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import virloom
from tests.interop.binding import session
from tests.interop.conftest import Virtnetworkd
from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.errors import NoNetwork

NETWORK = "<network><name>{}</name><forward mode='bridge'/><bridge name='br-none'/></network>"


@pytest.fixture
def virtnetworkd() -> Iterator[Virtnetworkd]:
    root = Path(tempfile.mkdtemp(prefix="vn"))
    daemon = Virtnetworkd(root)
    daemon.start()
    try:
        yield daemon
    finally:
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


def test_the_same_session(libvirtd: Libvirtd, virtnetworkd: Virtnetworkd) -> None:
    assert session("networks", virtnetworkd.uri()) == session("networks", libvirtd.uri)


def test_the_same_leases(libvirtd: Libvirtd, virtnetworkd: Virtnetworkd) -> None:
    place = "var/lib/libvirt/dnsmasq"
    ours = session("leases", virtnetworkd.uri(), virtnetworkd.root / place)
    assert ours == session("leases", libvirtd.uri, libvirtd.root / place)
    assert sum("10.78.1.5" in line for line in ours) > 5


test_the_same_session.pytestmark = test_the_same_leases.pytestmark = needs_libvirtd


def test_networks_outlive_a_kill(virtnetworkd: Virtnetworkd) -> None:
    with virloom.open_sync(virtnetworkd.uri()) as conn:
        for name in ("kept", "gone", "by-itself"):
            conn.networks.define_xml(NETWORK.format(name)).create()
        conn.networks.lookup_by_name("gone").undefine()
        conn.networks.lookup_by_name("by-itself").set_autostart(True)
        conn.networks.lookup_by_name("by-itself").destroy()
        before = conn.networks.lookup_by_name("kept").xml_desc()
    virtnetworkd.signal(signal.SIGKILL)
    virtnetworkd.start()
    with virloom.open_sync(virtnetworkd.uri()) as conn:
        assert conn.networks.lookup_by_name("kept").xml_desc() == before
        assert conn.networks.lookup_by_name("kept").is_active()
        assert not conn.networks.lookup_by_name("gone").is_persistent()
        # Whoever stopped it does not want it back: it starts once in each boot.
        assert not conn.networks.lookup_by_name("by-itself").is_active()
        conn.networks.lookup_by_name("gone").destroy()
        with pytest.raises(NoNetwork):
            conn.networks.lookup_by_name("gone")


def test_what_an_earlier_boot_left_is_not_taken_over(virtnetworkd: Virtnetworkd) -> None:
    with virloom.open_sync(virtnetworkd.uri()) as conn:
        conn.networks.define_xml(NETWORK.format("kept")).create()
        conn.networks.define_xml(NETWORK.format("by-itself")).set_autostart(True)
    virtnetworkd.signal(signal.SIGKILL)
    run = virtnetworkd.root / "run/libvirt/network"
    record = run / "kept.json"
    told = json.loads(record.read_text())
    record.write_text(json.dumps({**told, "boot_id": "another"}))
    (run / "autostarted").write_text("another")
    virtnetworkd.start()
    with virloom.open_sync(virtnetworkd.uri()) as conn:
        assert not conn.networks.lookup_by_name("kept").is_active()
        assert conn.networks.lookup_by_name("by-itself").is_active()
    assert not record.exists()
