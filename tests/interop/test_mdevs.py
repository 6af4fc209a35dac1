# SPDX-License-Identifier: Apache-2.0
"""Mediated devices, as libvirtd 9 and we have mdevctl keep them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Virtnodedevd, Virtqemud
from tests.interop.reference import Libvirtd, needs_libvirtd

SESSION = Path(__file__).parent / "sessions" / "mdevs.py"
#: What is defined is the host's: each daemon gets a place of its own for it.
_SPACE = """
mount -t tmpfs own /etc/mdevctl.d
mkdir -p /etc/mdevctl.d/scripts.d/callouts /etc/mdevctl.d/scripts.d/notifiers
exec "$@"
"""
_PROGRAM = """#!/bin/sh
case "$*" in
*jsonfile*) told=$(cat); echo "$* <<< $told" >>{log}; echo "$told" | {real} "$@" ;;
*) echo "$*" >>{log}; exec {real} "$@" ;;
esac
"""

pytestmark = [
    pytest.mark.long,
    *needs_libvirtd,
    pytest.mark.skipif(shutil.which("mdevctl") is None, reason="mdevctl is not installed"),
]


def program(directory: Path) -> Path:
    """Makes an mdevctl that notes what it is told, in a directory of its own."""
    directory.mkdir()
    file = directory / "mdevctl"
    file.write_text(_PROGRAM.format(log=directory / "log", real=shutil.which("mdevctl")))
    file.chmod(0o755)
    return directory


def space(programs: Path) -> list[str]:
    """What a command begins with that sees that mdevctl."""
    path = f"PATH={programs}:{os.environ['PATH']}"
    own = ["unshare", "--mount", "--propagation", "private"]
    return ["env", path, *own, "sh", "-ec", _SPACE, "sh"]


class Own(Virtnodedevd):
    """One with definitions of its own."""

    programs: Path

    @property
    def command(self) -> list[str]:
        return [*space(self.programs), *super().command]


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[tuple[str, int, Path]]:
    root = Path(tempfile.mkdtemp(prefix="vd"))
    daemon, guests = Own(root), Virtqemud(root)
    daemon.programs = program(tmp_path / "ours")
    daemon.start()
    guests.start()
    try:
        yield guests.uri(), daemon.pid, daemon.programs
    finally:
        assert guests.signal(signal.SIGTERM) == 0
        assert daemon.signal(signal.SIGTERM) == 0
        shutil.rmtree(root)


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[tuple[str, int, Path]]:
    directory = Path(tempfile.mkdtemp(prefix="lv"))
    programs = program(tmp_path / "theirs")
    daemon = Libvirtd(directory, prefix=space(programs))
    try:
        daemon.await_socket()
        yield daemon.uri, daemon.process.pid, programs
    finally:
        daemon.end()
        shutil.rmtree(directory)


def session(uri: str, pid: int, programs: Path) -> tuple[list[str], list[str]]:
    """What the session prints, and what mdevctl was told meanwhile but for lists."""
    inside = ["nsenter", f"--mount=/proc/{pid}/ns/mnt", "--"]
    done = subprocess.run(
        [*inside, "/usr/bin/python3", str(SESSION), uri],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = (programs / "log").read_text().splitlines()
    return done.stdout.splitlines(), [line for line in told if not line.startswith("list")]


def test_the_same_session_and_the_same_words_to_mdevctl(
    ours: tuple[str, int, Path], theirs: tuple[str, int, Path]
) -> None:
    printed, told = session(*ours)
    expected, reference = session(*theirs)
    assert printed == expected
    assert told == reference
    assert any(line.startswith("define --parent=") for line in told)
