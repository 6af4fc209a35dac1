# SPDX-License-Identifier: Apache-2.0
"""Block jobs on libvirtd 9 and on ours: answers, events, documents, every byte of the images."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.interop.reference import Libvirtd, needs_libvirtd

pytestmark = [*needs_libvirtd, pytest.mark.timeout(120)]

SESSION = Path(__file__).parent / "sessions" / "blockjobs.py"


def steps(uri: str, directory: Path) -> list[Any]:
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSION), uri, str(directory)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_same_session(libvirtd: Libvirtd, virtqemud: Any) -> None:
    with ThreadPoolExecutor(2) as both:
        one = both.submit(steps, libvirtd.uri, libvirtd.directory)
        other = both.submit(steps, virtqemud.uri(), virtqemud.root)
        theirs, ours = one.result(), other.result()
    assert [step[0] for step in ours] == [step[0] for step in theirs]
    assert len(ours) > 80
    different = [(a, b) for a, b in zip(theirs, ours, strict=True) if a != b]
    assert not different, "\n\n".join(f"libvirt {a}\nours    {b}" for a, b in different)
