# SPDX-License-Identifier: Apache-2.0
"""What happened while a client was away, and while the daemon was."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import virloom
from tests.interop.conftest import STEP, Virtqemud
from virloom.client.domain.events import LifecycleEvent
from virloom.errors import OperationDenied, VirloomError
from virloom.testing.documents import paused_guest_xml


def virloom_command(*words: str) -> subprocess.CompletedProcess[str]:
    """The end of ``virloom WORDS``."""
    program = Path(sys.executable).with_name("virloom")
    return subprocess.run(
        [program, *words], capture_output=True, text=True, timeout=STEP, check=False
    )


def test_a_client_that_was_away_asks_for_the_rest(virtqemud: Virtqemud, tmp_path: Path) -> None:
    """Also across a kill of the daemon: by number, none missed and none twice."""
    document = tmp_path / "web.xml"
    document.write_text(paused_guest_xml("web"))
    with virloom.open_sync(virtqemud.uri()) as conn:
        virtqemud.virsh("define", str(document))
        seen = conn.history().last
    virtqemud.virsh("start", "web", "--paused")
    virtqemud.virsh("resume", "web")
    assert virtqemud.signal(signal.SIGKILL) == -signal.SIGKILL
    virtqemud.start()
    virtqemud.virsh("destroy", "web")
    virtqemud.virsh("undefine", "web")
    with virloom.open_sync(virtqemud.uri()) as conn:
        past = conn.history(after=seen, only_events=True)
        told = [entry.event for entry in past.entries]
        assert all(isinstance(event, LifecycleEvent) for event in told)
        names = [event.event.name for event in told if isinstance(event, LifecycleEvent)]
        assert names[:3] == ["STARTED", "SUSPENDED", "RESUMED"]
        assert names[-2:] == ["STOPPED", "UNDEFINED"]
        assert not past.lost
        assert conn.history(after=1).lost
        assert conn.history(after=past.last).entries == []
    explained = virloom_command("explain", "-c", virtqemud.uri(), "web")
    assert explained.returncode == 0, explained.stderr
    for words in ("DOMAIN_CREATE", "uid 0", "cont: done", "is taken over", "is to end: destroyed"):
        assert words in explained.stdout
    entries = json.loads(
        virloom_command("explain", "-c", virtqemud.uri(), "-o", "json", "web").stdout
    )
    assert [entry["sequence"] for entry in entries] == sorted(
        {entry["sequence"] for entry in entries}
    )
    assert virloom_command("explain", "-c", virtqemud.uri(), "nobody").returncode == 1


def test_what_is_refused(virtqemud: Virtqemud) -> None:
    reader = virloom.open_sync(virtqemud.uri(readonly=True), readonly=True)
    with reader as conn, pytest.raises(OperationDenied):
        conn.history()
    with virloom.open_sync(virtqemud.uri()) as conn:
        with pytest.raises(VirloomError, match="16384"):
            conn.history(most=16385)
        with pytest.raises(VirloomError):
            conn.history(most=0)
