# SPDX-License-Identifier: Apache-2.0
"""What a daemon of guests does without until it is needed: every import delays the first answer."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Each takes one to fifteen milliseconds, and stood in the way of the first answer once.
_LATE = (
    "ctypes",
    "dataclasses",
    "ssl",
    "uuid",
    "virloom.drivers.qemu.limits.settling",
    "virloom.host.netns",
    "virloom.model.domain",
)


@pytest.mark.processes
def test_what_is_late_is_not_loaded_with_the_daemon() -> None:
    code = (
        "import sys, virloom.daemons.virtqemud;"
        "print(*(name for name in sys.argv[1:] if name in sys.modules))"
    )
    command = [sys.executable, "-I", "-c", code, *_LATE]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.split() == []
