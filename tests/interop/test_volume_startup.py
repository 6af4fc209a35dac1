# SPDX-License-Identifier: Apache-2.0
"""Guests whose disks are volumes that may be missing: libvirt's binding on ours and libvirtd 9."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Virtqemud
from tests.interop.reference import Libvirtd, needs_libvirtd

SESSION = Path(__file__).parent / "sessions" / "volume_startup.py"
pytestmark = [pytest.mark.long, pytest.mark.timeout(1200), *needs_libvirtd]


class Everything(Virtqemud):
    """The daemon that has pools beside the guests."""

    name, sockets = "libvirtd", "libvirt"


def session(uri: str) -> list[Any]:
    """What it prints, step by step."""
    home = Path(tempfile.mkdtemp(prefix="vs"))
    home.chmod(0o777)
    words = ["/usr/bin/python3", str(SESSION), uri, str(home), "/none"]
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False
    )
    shutil.rmtree(home)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_volumes_that_may_be_missing() -> None:
    directory = Path(tempfile.mkdtemp(prefix="vs-"))
    directory.chmod(0o755)  # its guests run as another user
    (directory / "own").mkdir(mode=0o755)
    libvirtd, ours = Libvirtd(directory), Everything(directory / "own")
    try:
        with libvirtd.running():
            theirs = session(libvirtd.uri)
        ours.start()
        own = session(ours.uri())
        assert ours.signal(signal.SIGTERM) == 0, ours.log()
    finally:
        shutil.rmtree(directory)
    assert [step[0] for step in own] == [step[0] for step in theirs]
    different = [pair for pair in zip(theirs, own, strict=True) if pair[0] != pair[1]]
    assert not different, "\n\n".join(f"libvirt {a}\nours    {b}" for a, b in different)
