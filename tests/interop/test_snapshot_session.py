# SPDX-License-Identifier: Apache-2.0
"""Snapshots on libvirtd 9 and on ours: answers, events, trees, images and documents."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.interop.reference import Libvirtd, needs_libvirtd

pytestmark = [*needs_libvirtd, pytest.mark.timeout(150)]

SESSION = Path(__file__).parent / "sessions" / "snapshots.py"


def steps(uri: str, directory: Path) -> list[Any]:
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri, str(directory)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_same_session(libvirtd: Libvirtd, virtqemud: Any) -> None:
    # In a place that libvirt's QEMU, which is another user, may reach and write to.
    libvirtd.directory.chmod(0o777)
    with ThreadPoolExecutor() as both:  # libvirtd waits most of the time
        reference = both.submit(steps, libvirtd.uri, libvirtd.directory)
        ours = steps(virtqemud.uri(), virtqemud.root)
        theirs = reference.result()
    assert [step[0] for step in ours] == [step[0] for step in theirs]
    different = [(a, b) for a, b in zip(theirs, ours, strict=True) if a != b]
    assert not different, "\n\n".join(f"libvirt {a}\nours    {b}" for a, b in different)
