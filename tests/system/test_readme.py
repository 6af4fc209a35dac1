# SPDX-License-Identifier: Apache-2.0
"""The README's program runs as it stands."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[2] / "README.rst"


def _program() -> str:
    text = README.read_text(encoding="utf-8")
    block = text.partition(".. code-block:: python\n")[2].partition("\n.. end of the program")[0]
    return textwrap.dedent(block).strip() + "\n"


def test_program_has_twenty_lines() -> None:
    lines = [line for line in _program().splitlines() if line.strip()]
    assert len(lines) <= 22


@pytest.mark.timeout(90)
def test_program_boots_a_guest_and_reads_its_console(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(_program(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "first.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=80,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "VIRLOOM-GUEST-READY" in done.stdout
    assert "Linux 6." in done.stdout
    assert not list((tmp_path / "guests" / "run" / "qemu").glob("*.json"))
