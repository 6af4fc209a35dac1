# SPDX-License-Identifier: Apache-2.0
"""Hook scripts of the host: when they are called, with what, and what their failure does."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.interop.conftest import Virtqemud
from virloom.drivers.runtime.hooks import Hooks
from virloom.errors import HookScriptFailed
from virloom.testing.documents import paused_guest_xml

_SCRIPT = """#!/bin/sh
document=$(cat)
case "$document" in *"<name>web</name>"*) with=document;; *) with=nothing;; esac
echo "$(basename "$0"): $* $with" >> {log}
{more}
"""


def hook(directory: Path, name: str, log: Path, more: str = "") -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_SCRIPT.format(log=log, more=more))
    path.chmod(0o755)
    return path


@pytest.fixture
def log(virtqemud: Virtqemud) -> Path:
    return virtqemud.root / "hooks.log"


@pytest.fixture
def directory(virtqemud: Virtqemud) -> Path:
    return virtqemud.root / "etc/libvirt/hooks"


def told(log: Path) -> list[str]:
    """What was written since the last look."""
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def test_a_guest_s_life(virtqemud: Virtqemud, directory: Path, log: Path) -> None:
    hook(directory, "qemu", log)
    hook(directory, "qemu.d/20-second", log)
    hook(directory, "qemu.d/10-first", log)
    (directory / "qemu.d/30-not-executable").write_text("exit 1\n")
    document = virtqemud.root / "guest.xml"
    document.write_text(paused_guest_xml("web"))
    virtqemud.virsh("define", str(document))
    assert told(log) == []
    virtqemud.virsh("start", "web", "--paused")
    names = ("qemu", "10-first", "20-second")

    def expected(operation: str, phase: str) -> list[str]:
        return [f"{name}: web {operation} {phase} - document" for name in names]

    begun = [line for step in ("prepare", "start", "started") for line in expected(step, "begin")]
    assert told(log) == begun
    assert virtqemud.signal(signal.SIGKILL) == -signal.SIGKILL
    virtqemud.start()
    assert virtqemud.virsh("domstate", "web") == "paused"
    assert told(log) == expected("reconnect", "begin")
    virtqemud.virsh("destroy", "web")
    assert told(log) == [*expected("stopped", "end"), *expected("release", "end")]


@pytest.mark.parametrize("operation", ["prepare", "start", "started"])
def test_a_script_may_refuse_a_start(
    virtqemud: Virtqemud, directory: Path, log: Path, operation: str
) -> None:
    more = f'[ "$2" != {operation} ] || {{ echo not today >&2; exit 3; }}'
    script = hook(directory, "qemu", log, more)
    document = virtqemud.root / "guest.xml"
    document.write_text(paused_guest_xml("web"))
    virtqemud.virsh("define", str(document))
    refused = virtqemud.try_virsh("start", "web", "--paused")
    assert refused.returncode == 1
    assert "Hook script execution failed" in refused.stderr
    assert "exit status 3: not today" in refused.stderr
    assert virtqemud.virsh("domstate", "web") == "shut off"
    said = [line.split()[2] for line in told(log)]
    steps = ["prepare", "start", "started"]
    assert said == [*steps[: steps.index(operation) + 1], "stopped", "release"]
    script.unlink()
    virtqemud.virsh("start", "web", "--paused")


def test_a_script_changes_what_is_restored(
    virtqemud: Virtqemud, directory: Path, log: Path
) -> None:
    document, saved = virtqemud.root / "guest.xml", virtqemud.root / "saved"
    document.write_text(paused_guest_xml("web"))
    virtqemud.virsh("create", str(document), "--paused")
    virtqemud.virsh("save", "web", str(saved))
    say = '[ "$2" != restore ] || echo "$document" | sed "s,</name>,&<title>changed</title>,"'
    hook(directory, "qemu", log, say)
    virtqemud.virsh("restore", str(saved), "--paused")
    assert told(log)[0] == "qemu: web restore begin - document"
    assert virtqemud.virsh("desc", "web", "--title") == "changed"
    virtqemud.virsh("save", "web", str(saved))
    hook(directory, "qemu", log, '[ "$2" != restore ] || exit 3')
    assert "exit status 3" in virtqemud.try_virsh("restore", str(saved)).stderr
    assert virtqemud.try_virsh("domstate", "web").returncode == 1
    assert saved.exists()


def test_the_daemon_s_own(virtqemud: Virtqemud, directory: Path, log: Path) -> None:
    hook(directory, "daemon", log)
    assert virtqemud.signal(signal.SIGTERM) == 0
    assert told(log) == ["daemon: - shutdown - shutdown nothing"]
    virtqemud.start()
    assert told(log) == ["daemon: - start - start nothing"]


async def test_a_script_that_hangs_is_ended(tmp_path: Path) -> None:
    hook(tmp_path, "qemu", tmp_path / "log", "sleep 60")
    hooks = Hooks(tmp_path, "qemu", patience=0.3)
    with pytest.raises(HookScriptFailed, match="did not end within"):
        await hooks.run("web", "prepare", "begin")
    await hooks.try_run("web", "stopped", "end")  # what happens all the same
    assert Hooks(None, "qemu").scripts() == []
