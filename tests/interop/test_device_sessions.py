# SPDX-License-Identifier: Apache-2.0
"""Devices and their settings on libvirtd 9 and on ours: answers, events and both documents."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.interop.reference import Libvirtd, needs_libvirtd

pytestmark = [*needs_libvirtd, pytest.mark.timeout(120)]

SESSIONS = Path(__file__).parent / "sessions"


def steps(session: str, uri: str, directory: Path) -> list[Any]:
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSIONS / f"{session}.py"), uri, str(directory)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = done.stdout.replace(f"{directory}/", "DIRECTORY/")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    "session",
    [
        "hotplug",
        "block_tuning",
        pytest.param("device_settings", marks=pytest.mark.long),
        pytest.param("device_classes", marks=pytest.mark.long),
    ],
)
def test_the_same_session(session: str, libvirtd: Libvirtd, virtqemud: Any) -> None:
    # In a place that libvirt's QEMU, which is another user, may reach.
    theirs = steps(session, libvirtd.uri, libvirtd.directory)
    ours = steps(session, virtqemud.uri(), virtqemud.root)
    assert [step[0] for step in ours] == [step[0] for step in theirs]
    different = [(a, b) for a, b in zip(theirs, ours, strict=True) if a != b]
    assert not different, "\n\n".join(f"libvirt {a}\nours    {b}" for a, b in different)
