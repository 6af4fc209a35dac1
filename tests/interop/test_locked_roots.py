# SPDX-License-Identifier: Apache-2.0
"""Leases of the host's virtlockd, for guests of embedded roots and of the host's daemon alike."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.conftest import STEP
from tests.interop.test_locked_disks import directory, ours, write_guest
from virloom.testing.documents import paused_guest_xml

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root has a mount namespace of its own"),
    pytest.mark.skipif(shutil.which("virsh") is None, reason="virsh is not installed"),
]

#: The place of the host's virtlockd is that of the test's.
SPACE = 'mount -t tmpfs run /run; mkdir /run/libvirt; mount --bind "$0" /run/libvirt; exec "$@"'
SESSION = Path(__file__).with_name("locked_roots_session.py")
LEASE = "<lease><lockspace>space</lockspace><key>key</key><target path='{}'/></lease>"


def test_guests_of_two_roots_and_of_the_daemon() -> None:
    with directory() as place, ours(place, f'file_lockspace_dir = "{place}/space"\n') as daemons:
        (place / "space").mkdir()
        (place / "space/key").touch()
        lease = LEASE.format(place)
        document = Path(write_guest(place, "host", place / "none"))
        text = document.read_text()
        disk = text[text.index("<disk") : text.index("</disk>") + len("</disk>")]
        document.write_text(text.replace(disk, lease))
        (place / "guest.xml").write_text(
            paused_guest_xml("NAME", machine="microvm", extra_devices=lease)
        )
        for name in ("here", "there"):
            (place / name / "etc").mkdir(parents=True)
            (place / name / "etc/qemu.conf").write_text('lock_manager = "lockd"\n')
            shutil.copy(place / "etc/libvirt/qemu-lockd.conf", place / name / "etc")
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec", SPACE,
             str(place / "run/libvirt"), sys.executable, str(SESSION), str(place),
             daemons.qemu.uri()],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * STEP, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            "here: done",
            "there: Lockspace resource 'key' is locked",
            "host: Lockspace resource 'key' is locked",
            "here ends",
            "host: done",
            "there: Lockspace resource 'key' is locked",
            "host ends",
            "there: done",
            "there ends",
        ]
        assert daemons.virsh("list", "--name") == ""
