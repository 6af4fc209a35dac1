# SPDX-License-Identifier: Apache-2.0
"""Checkpoints that libvirt 9 has written are ours, and the reverse, files and bitmaps alike."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Virtqemud
from tests.interop.reference import Libvirtd, needs_libvirtd
from tests.system.backing import disk, image
from virloom.testing.documents import paused_guest_xml

pytestmark = [*needs_libvirtd, pytest.mark.timeout(120)]

UUID = "<uuid>11111111-2222-3333-4444-555555555566</uuid>"
PLACE = "var/lib/libvirt/qemu/checkpoint/chk"


def virsh(uri: str, *words: str) -> str:
    done = subprocess.run(
        ["virsh", "-c", uri, *words], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout.strip()


def define(uri: str, directory: Path, path: Path) -> None:
    """The guest with that image, started paused."""
    text = paused_guest_xml("chk", extra_devices=disk(path, "vda"))
    document = directory / "chk.xml"
    document.write_text(text.replace("</name>", f"</name>{UUID}", 1))
    virsh(uri, "define", str(document))


def made(uri: str, *names: str) -> dict[str, str]:
    """Starts the guest, makes checkpoints, and writes after each; their documents."""
    virsh(uri, "start", "chk", "--paused")
    for number, name in enumerate(names):
        virsh(uri, "checkpoint-create-as", "chk", name)
        backend = "/machine/peripheral/virtio-disk0/virtio-backend"
        command = f'qemu-io -d {backend} "write {number * 65536} 65536"'
        virsh(uri, "qemu-monitor-command", "chk", "--hmp", command)
    return described(uri)


def described(uri: str) -> dict[str, str]:
    """The documents of all checkpoints, with sizes."""
    names = virsh(uri, "checkpoint-list", "chk", "--topological", "--name").split()
    return {
        name: virsh(uri, "checkpoint-dumpxml", "chk", name, "--size", "--no-domain")
        for name in names
    }


def listed(uri: str) -> tuple[str, str]:
    """The guests with checkpoints, and those without."""
    words = ("list", "--all", "--name")
    return virsh(uri, *words, "--with-checkpoint"), virsh(uri, *words, "--without-checkpoint")


def kept(libvirtd: Libvirtd) -> Path:
    """Where libvirtd, in a mount namespace of its own, has the files."""
    return Path(f"/proc/{libvirtd.process.pid}/root") / PLACE


@pytest.fixture
def guest(libvirtd: Libvirtd, virtqemud: Any) -> Path:
    """An image that either side may use, and the guest on both."""
    path = image(libvirtd.directory / f"{virtqemud.root.name}.qcow2")
    path.chmod(0o666)
    define(libvirtd.uri, libvirtd.directory, path)
    define(virtqemud.uri(), virtqemud.root, path)
    return path


def test_theirs_are_ours(libvirtd: Libvirtd, virtqemud: Virtqemud, guest: Path) -> None:
    theirs = made(libvirtd.uri, "a", "b", "c")
    virsh(libvirtd.uri, "destroy", "chk")
    shutil.copytree(kept(libvirtd), virtqemud.root / PLACE)
    virsh(libvirtd.uri, "undefine", "chk", "--checkpoints-metadata")
    uri = virtqemud.uri()
    virsh(uri, "start", "chk", "--paused")
    assert described(uri) == theirs
    virsh(uri, "checkpoint-delete", "chk", "a")
    virsh(uri, "checkpoint-create-as", "chk", "d")
    assert virsh(uri, "checkpoint-parent", "chk", "d") == "c"
    virsh(uri, "destroy", "chk")


def test_ours_are_theirs(libvirtd: Libvirtd, virtqemud: Virtqemud, guest: Path) -> None:
    uri = virtqemud.uri()
    for each in (libvirtd.uri, uri):
        assert listed(each) == ("", "chk")
    ours = made(uri, "a", "b", "c")
    virsh(uri, "destroy", "chk")
    assert listed(uri) == ("chk", "")
    # It reads them when it starts: told again by a client is the same text.
    for name in ("a", "b", "c"):
        file = virtqemud.root / PLACE / f"{name}.xml"
        virsh(libvirtd.uri, "checkpoint-create", "chk", str(file), "--redefine")
    virsh(libvirtd.uri, "start", "chk", "--paused")
    assert described(libvirtd.uri) == ours
    assert listed(libvirtd.uri) == ("chk", "")
    file = kept(libvirtd) / "b.xml"
    assert file.exists()
    virsh(libvirtd.uri, "checkpoint-delete", "chk", "a", "--children")
    virsh(libvirtd.uri, "destroy", "chk")
    virsh(libvirtd.uri, "undefine", "chk")
