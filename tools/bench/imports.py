# SPDX-License-Identifier: Apache-2.0
"""How long ``import virloom`` takes, and the modules that opening an embedded root loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.bench import side
from tools.bench.table import list_table, median_ms, milliseconds

GOAL_MS = 60


def imports(_directory: Path, count: int) -> str:
    """Fresh interpreters, byte code compiled before."""
    cases = [
        (sys.executable, "virloom", str(GOAL_MS)),
        (sys.executable, "virloom.client.connection", ""),
        (sys.executable, "virloom.drivers.homes", ""),
        (sys.executable, "asyncio", ""),
        (side.SYSTEM_PYTHON, "libvirt", ""),
    ]
    rows = [
        [f"import {module}", milliseconds(_median(python, module, count)), goal]
        for python, module, goal in cases
    ]
    return list_table(f"Imports (ms, medians of {count})", ["what", "time", "goal"], rows)


def _median(python: str, module: str, count: int) -> float | None:
    samples = []
    for _ in range(count + 1):
        argv = [python, "-m", "tools.bench.sides.importing", module]
        done = subprocess.run(argv, cwd=side.ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            return None
        samples.append(float(done.stdout))
    return median_ms(samples[1:])
