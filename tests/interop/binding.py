# SPDX-License-Identifier: Apache-2.0
"""Sessions of libvirt's own Python binding, in a process of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

SESSIONS = Path(__file__).parent / "sessions"


def session(name: str, *arguments: object, seconds: float = 60) -> list[str]:
    """What the binding makes of ``sessions/NAME.py``, step by step."""
    done = subprocess.run(
        ["/usr/bin/python3", str(SESSIONS / f"{name}.py"), *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
