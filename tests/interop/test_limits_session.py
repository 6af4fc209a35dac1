# SPDX-License-Identifier: Apache-2.0
"""Limits on libvirtd 9 and on ours: answers, events, documents, and the kernel's files."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.interop.reference import Libvirtd, needs_libvirtd
from virloom.host.cgroup.mounts import Hierarchies

pytestmark = [
    *needs_libvirtd,
    pytest.mark.timeout(120),
    pytest.mark.skipif(
        not Path("/sys/fs/cgroup/cpu").exists() or not Hierarchies.of_this_process().by_controller,
        reason="the files that are compared are those of control groups of version 1",
    ),
]

SESSION = Path(__file__).parent / "sessions" / "limits.py"


def steps(uri: str) -> list[Any]:
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_same_session(libvirtd: Libvirtd, virtqemud: Any) -> None:
    theirs = steps(libvirtd.uri)
    ours = steps(virtqemud.uri())
    assert [step[:2] for step in ours] == [step[:2] for step in theirs]
    different = [(a, b) for a, b in zip(theirs, ours, strict=True) if a != b]
    assert not different, "\n\n".join(f"libvirt {a}\nours    {b}" for a, b in different)
