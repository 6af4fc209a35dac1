# SPDX-License-Identifier: Apache-2.0
"""How long ``import virloom`` takes, and an interpreter up to its first line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.bench import side
from tools.bench.table import list_table, median_ms, milliseconds

GOAL_MS = 60


def imports(_directory: Path, count: int) -> str:
    """Fresh interpreters, byte code compiled before."""
    ours = _median(sys.executable, "virloom", count)
    rows = [
        ["import virloom", milliseconds(ours), str(GOAL_MS)],
        ["import asyncio", milliseconds(_median(sys.executable, "asyncio", count)), ""],
        ["import libvirt", milliseconds(_median(side.SYSTEM_PYTHON, "libvirt", count)), ""],
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
