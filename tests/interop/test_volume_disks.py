# SPDX-License-Identifier: Apache-2.0
"""Disks that are volumes of pools: virsh, virtqemud, virtstoraged, a real QEMU."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import virloom
from tests.interop.conftest import Virtqemud, Virtstoraged
from virloom.errors import ConfigUnsupported, NoStorageVol, VirloomError
from virloom.testing.documents import paused_guest_xml

DISK = """<disk type='volume' device='disk'><driver name='qemu' type='{}'/>
<source pool='{}' volume='{}'/><target dev='{}' bus='virtio'/></disk>"""


@pytest.fixture
def daemons() -> Iterator[tuple[Virtqemud, Virtstoraged]]:
    root = Path(tempfile.mkdtemp(prefix="vd"))
    root.chmod(0o755)
    qemu, storage = Virtqemud(root), Virtstoraged(root)
    storage.start()
    qemu.start()
    try:
        yield qemu, storage
    finally:
        for name in qemu.virsh("list", "--name").split():
            qemu.virsh("destroy", name)
        assert qemu.signal(signal.SIGTERM) == 0, qemu.log()
        if storage.process is not None:
            assert storage.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


def _guest(*disks: str) -> str:
    return paused_guest_xml("web").replace("<devices>", f"<devices>{''.join(disks)}")


def test_a_guest_on_volumes(daemons: tuple[Virtqemud, Virtstoraged]) -> None:
    """Started, plugged, taken over without the storage daemon, unplugged; and what is refused."""
    qemu, storage = daemons
    place = qemu.root / "pool"
    place.mkdir(mode=0o755)
    run = qemu.virsh  # which passes on what is of storage
    run("pool-define-as", "pool", "dir", "--target", str(place))
    with virloom.open_sync(qemu.uri()) as conn:
        guest = conn.define_xml(_guest(DISK.format("qcow2", "pool", "one", "vda")))
        _refused(guest.create, ConfigUnsupported, "is not active")
        run("pool-start", "pool")
        _refused(guest.create, NoStorageVol, "'one'")
        for name, kind in (("one", "qcow2"), ("two", "raw")):
            run("vol-create-as", "pool", name, "1M", "--format", kind)
        guest.create()
    (qemu.root / "two.xml").write_text(DISK.format("raw", "pool", "two", "vdb"))
    run("attach-device", "web", str(qemu.root / "two.xml"))
    live = run("dumpxml", "web")
    assert live.count("<disk type='volume' device='disk'>") == 2
    assert "<source pool='pool' volume='one' index=" in live
    assert str(place) not in live
    assert "libvirt-1-format: /dev/fdset/0 (qcow2)" in run(
        "qemu-monitor-command", "web", "--hmp", "info block"
    )
    assert storage.signal(signal.SIGTERM) == 0
    qemu.signal(signal.SIGKILL)
    qemu.start()
    assert run("dumpxml", "web") == live
    assert "<source pool='pool' volume='one'/>" in run("dumpxml", "web", "--inactive")
    storage.start()
    run("detach-device", "web", str(qemu.root / "two.xml"))
    (qemu.root / "two.xml").write_text(DISK.format("raw", "other", "two", "vdb"))
    refused = qemu.try_virsh("attach-device", "web", str(qemu.root / "two.xml"))
    assert "no storage pool with matching name 'other'" in refused.stderr


def _refused(call: Callable[[], object], error: type[VirloomError], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


def test_volumes_that_may_be_missing(daemons: tuple[Virtqemud, Virtstoraged]) -> None:
    """The guest does without them, and still has them at its next start."""
    qemu, _ = daemons
    place = qemu.root / "pool"
    place.mkdir(mode=0o755)
    qemu.virsh("pool-create-as", "pool", "dir", "--target", str(place))
    optional = DISK.replace("volume='{}'", "volume='{}' startupPolicy='optional'")
    medium = optional.replace("'disk'", "'cdrom'").replace("virtio", "sata")
    disk = optional.format("raw", "pool", "none", "vda")
    text = _guest(disk, medium.format("raw", "no", "x", "sda"))
    with virloom.open_sync(qemu.uri()) as conn:
        guest = conn.define_xml(text)
        guest.create()
        live = guest.xml_desc()
        assert "virtio-disk0" not in live
        assert "<disk type='file' device='cdrom'>" in live
        assert "volume='none'" in qemu.virsh("dumpxml", "web", "--inactive")
        guest.destroy()
        guest.undefine()
        must = text.replace("optional", "mandatory")
        _refused(conn.define_xml(must).create, VirloomError, "'(none|no)'")
