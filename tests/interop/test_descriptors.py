# SPDX-License-Identifier: Apache-2.0
"""Calls with descriptors by python3-libvirt, on libvirtd 9 and on our virtqemud: the same."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.interop.conftest import STEP, Virtqemud
from tests.interop.reference import Libvirtd, needs_libvirtd

SESSION = Path(__file__).with_name("descriptors_session.py")

pytestmark = needs_libvirtd


def session(uri: str, directory: Path) -> str:
    """What the session prints on one daemon, without what differs from run to run."""
    done = subprocess.run(
        ["/usr/bin/python3", SESSION, uri, directory],
        capture_output=True, text=True, timeout=2 * STEP, check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.replace(str(directory), "DIRECTORY")


#: Descriptors of the helper that starts guests: its socket and its process, for a minute.
SPAWN_HELPER = 2


def test_calls_with_descriptors(libvirtd: Libvirtd, virtqemud: Virtqemud, tmp_path: Path) -> None:
    before = len(os.listdir(f"/proc/{virtqemud.pid}/fd"))
    reference = session(libvirtd.uri, libvirtd.directory)
    assert "RFB 003" in reference
    ours = session(virtqemud.uri(), virtqemud.root)
    assert ours.splitlines() == reference.splitlines()
    after = len(os.listdir(f"/proc/{virtqemud.pid}/fd"))
    assert after <= before + SPAWN_HELPER
