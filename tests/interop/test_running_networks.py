# SPDX-License-Identifier: Apache-2.0
"""Networks that run, beside libvirtd 9: documents, events, errors, and what the host has of them.

``tests/golden/networks/running.jsonl`` is what libvirtd made of the whole session, which takes it a
minute; each run asks it again for a part. ``VIRLOOM_UPDATE_GOLDEN=1`` records all of it anew.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.interop.conftest import Virtnetworkd
from tests.interop.programs import needs
from tests.interop.reference import Libvirtd, needs_libvirtd

SESSION = Path(__file__).parent / "sessions/running_networks.py"
GOLDEN = Path(__file__).parent.parent / "golden/networks/running.jsonl"
UPDATES = "VIRLOOM_UPDATE_GOLDEN" in os.environ
PARTS = ("life", "started", "changed")

pytestmark = needs("dnsmasq", root=True)


def session(uri: str, pid: int, *parts: str) -> list[str]:
    """What libvirt's binding makes of those parts, step by step."""
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri, str(pid), *parts],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_ours_are_the_recorded_answers() -> None:
    root = Path(tempfile.mkdtemp(prefix="vn"))
    root.chmod(0o755)
    daemon = Virtnetworkd(root)
    daemon.start()
    try:
        ours = session(daemon.uri(), daemon.pid, *PARTS)
    finally:
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)
    assert ours == GOLDEN.read_text().splitlines()


@pytest.mark.long
def test_recorded_answers_are_libvirts() -> None:
    with tempfile.TemporaryDirectory(prefix="lv-") as name:
        daemon = Libvirtd(Path(name), networks=True)
        try:
            daemon.await_socket()
            told = session(daemon.uri, daemon.process.pid, *(PARTS if UPDATES else PARTS[:1]))
        finally:
            daemon.end()
    if UPDATES:
        GOLDEN.write_text("\n".join(told) + "\n")
    assert told == GOLDEN.read_text().splitlines()[: len(told)]


test_recorded_answers_are_libvirts.pytestmark = needs_libvirtd  # type: ignore[attr-defined]
