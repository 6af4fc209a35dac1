# SPDX-License-Identifier: Apache-2.0
"""An idle daemon ends; one with a client or a running guest, persistent or not, does not."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.interop.conftest import STEP, Virtqemud
from virloom.testing.documents import paused_guest_xml

IDLE = 1


def still_runs(daemon: Virtqemud) -> bool:
    """Whether it outlives the time by far."""
    assert daemon.process is not None
    try:
        daemon.process.wait(2.5 * IDLE)
    except subprocess.TimeoutExpired:
        return True
    return False


@pytest.mark.parametrize("persistent", [False, True])
def test_clients_and_guests_hold_it(virtqemud: Virtqemud, persistent: bool, tmp_path: Path) -> None:
    virtqemud.signal(signal.SIGTERM)
    virtqemud.start("--timeout", str(IDLE))
    document = tmp_path / "guest.xml"
    document.write_text(paused_guest_xml("idle"))
    if persistent:
        virtqemud.virsh("define", str(document))
        virtqemud.virsh("start", "--paused", "idle")
    else:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(virtqemud.socket()))
            assert still_runs(virtqemud)
        virtqemud.virsh("create", "--paused", str(document))
    assert still_runs(virtqemud)
    virtqemud.virsh("destroy", "idle")
    process, virtqemud.process = virtqemud.process, None
    assert process is not None
    assert process.wait(STEP) == 0
