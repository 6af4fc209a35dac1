# SPDX-License-Identifier: Apache-2.0
"""Guests of libvirtd 9 and of ours, as the kernel shows them, and whose their files are."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.interop.reference import Libvirtd, needs_libvirtd

pytestmark = [*needs_libvirtd, pytest.mark.timeout(150)]

SESSION = Path(__file__).parent / "sessions" / "confinement.py"


def steps(uri: str, directory: Path) -> list[Any]:
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri, str(directory)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_same_confinement(libvirtd: Libvirtd, virtqemud: Any) -> None:
    theirs = steps(libvirtd.uri, libvirtd.directory)
    ours = steps(virtqemud.uri(), virtqemud.root)
    different = [(a, b) for a, b in zip(theirs, ours, strict=False) if a != b]
    assert not different, "\n\n".join(f"libvirt {a}\nours    {b}" for a, b in different)
    assert len(ours) == len(theirs)
