# SPDX-License-Identifier: Apache-2.0
"""Checkpoints and backups on libvirtd 9 and on ours: answers, documents, figures and events."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.interop.reference import Libvirtd, needs_libvirtd

pytestmark = [*needs_libvirtd, pytest.mark.timeout(120)]

SESSION = Path(__file__).parent / "sessions" / "backups.py"


def steps(uri: str, directory: Path) -> list[Any]:
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri, str(directory)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_same_session(libvirtd: Libvirtd, virtqemud: Any) -> None:
    theirs = steps(libvirtd.uri, libvirtd.directory)
    ours = steps(virtqemud.uri(), virtqemud.root)
    assert [step[0] for step in ours] == [step[0] for step in theirs]
    different = [(a, b) for a, b in zip(theirs, ours, strict=True) if a != b]
    assert not different, "\n\n".join(f"libvirt {a}\nours    {b}" for a, b in different)
