# SPDX-License-Identifier: Apache-2.0
"""Programs that know only libvirt, on our virtqemud: virt-install, virt-xml and Sys::Virt."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from virloom.testing import guest as tiny
from virloom.testing.documents import paused_guest_xml

HERE = Path(__file__).resolve().parent

#: Seconds for a program; virt-install alone takes three to load.
STEP = 100


def needs(program: str) -> pytest.MarkDecorator:
    """Skips where a program is not installed."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def run(daemon: Any, *command: str, **env: str) -> str:
    """What a program prints that must succeed."""
    done = subprocess.run(
        command, env={**os.environ, **env}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=STEP, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}\n{daemon.log()}"
    return done.stdout


@needs("virt-install")
@needs("virt-xml")
def test_virt_install_boots_a_guest_and_virt_xml_edits_it(virtqemud: Any) -> None:
    """From kernel and initramfs; for a disk's path virt-install needs a driver for storage."""
    console = virtqemud.root / "console.log"
    boot = f"kernel={tiny.kernel()},initrd={tiny.initramfs()}"
    run(
        virtqemud, "virt-install", "--connect", virtqemud.uri(), "--name", "installed",
        "--virt-type", "qemu", "--memory", "128", "--vcpus", "1", "--import",
        "--disk", "none", "--osinfo", "detect=on,require=off",
        "--network", "user,model=virtio", "--graphics", "none", "--noautoconsole",
        "--serial", f"file,path={console}",
        "--boot", f'{boot},kernel_args="{tiny.command_line(())}"',
    )  # fmt: skip
    assert virtqemud.virsh("domstate", "installed") == "running"
    await_text(console, b"VIRLOOM-GUEST-READY")
    edit = ("virt-xml", "--connect", virtqemud.uri(), "installed")
    run(virtqemud, *edit, "--edit", "--memory", "256,maxmemory=256", "--define")
    run(virtqemud, *edit, "--add-device", "--rng", "/dev/urandom", "--define")
    document = virtqemud.virsh("dumpxml", "--inactive", "installed")
    assert "<memory unit='KiB'>262144</memory>" in document
    assert "<backend model='random'>/dev/urandom</backend>" in document
    virtqemud.virsh("destroy", "installed")
    virtqemud.virsh("start", "installed")
    assert "balloon.maximum=262144" in virtqemud.virsh("domstats", "installed")
    virtqemud.virsh("destroy", "installed")
    virtqemud.virsh("undefine", "installed")


def await_text(path: Path, wanted: bytes) -> None:
    """Returns once a file holds *wanted*: its guest writes it, nobody tells us."""
    subprocess.run(
        ["timeout", str(STEP), "sh", "-c", 'until grep -q "$1" "$0"; do sleep 0.1; done',
         str(path), wanted.decode()],
        check=True,
    )  # fmt: skip


def sys_virt() -> bool:
    """Whether Perl's binding is there."""
    command = ["perl", "-MSys::Virt", "-e1"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(
    not sys_virt(),
    reason="Sys::Virt (libsys-virt-perl) is not installed",
)
def test_sys_virt(virtqemud: Any) -> None:
    document = virtqemud.root / "guest.xml"
    devices = "<video><model type='vga'/></video>"
    document.write_text(paused_guest_xml("perl", extra_devices=devices))
    said = run(
        virtqemud, "perl", str(HERE / "sysvirt_session.pl"), virtqemud.uri(), str(document)
    )  # fmt: skip
    assert json.loads(said) == {
        "type": "QEMU",
        "domains": ["perl"],
        "state": 1,
        "paused": 3,
        "memory": 32768,
        "screen": "image/png",
        "error": [42, 10],
        "events": [[0, 0], [4, 0], [2, 0], [3, 0], [4, 0], [6, 2], [5, 1], [1, 0]],
    }
