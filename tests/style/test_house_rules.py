# SPDX-License-Identifier: Apache-2.0
"""The guards of tests/conftest.py can fail: each is shown a test that breaks its rule."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: What an offender does → what the report must say of it.
OFFENDERS = {
    "descriptor": ("import os\ndef test_it():\n    os.dup(0)\n", "leaves behind: descriptor"),
    "child": (
        "import subprocess, pytest\n@pytest.mark.processes\ndef test_it():\n"
        "    global child\n    child = subprocess.Popen(['cat'], stdin=subprocess.PIPE)\n",
        "leaves behind: process",
    ),
    "task": (
        "import asyncio\nasync def test_it():\n"
        "    global task\n    task = asyncio.ensure_future(asyncio.Event().wait())\n",
        "tasks outlive the test",
    ),
    "coroutine": ("async def work(): ...\ndef test_it():\n    work()\n", "was never awaited"),
    "process": (
        "import subprocess\ndef test_it():\n    subprocess.run(['true'])\n",
        "starts a process",
    ),
    "network": (
        "import socket\ndef test_it():\n    with socket.socket() as s:\n"
        "        s.connect(('127.0.0.1', 9))\n",
        "uses the network",
    ),
    "warning": ("import warnings\ndef test_it():\n    warnings.warn('old')\n", "UserWarning: old"),
    "marker": ("import pytest\n@pytest.mark.unheard\ndef test_it(): ...\n", "unheard"),
}

CLEAN = """
import asyncio, os

async def test_it():
    read, write = await asyncio.to_thread(os.pipe)
    os.close(read)
    os.close(write)
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says about a project with our settings and one test per rule."""
    project = tmp_path_factory.mktemp("offenders")
    unit = project / "tests" / "unit"
    unit.mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", project)
    shutil.copy(ROOT / "tests" / "conftest.py", project / "tests")
    for name, (body, _) in OFFENDERS.items():
        (unit / f"test_{name}.py").write_text(body)
    (unit / "test_clean.py").write_text(CLEAN)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--continue-on-collection-errors", "-rA", "tests"],
        cwd=project,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", OFFENDERS)
def test_offender_fails(name: str, report: str) -> None:
    verdict = re.search(rf"^(?:ERROR|FAILED) tests/unit/test_{name}\.py.*$", report, re.MULTILINE)
    assert verdict is not None, report
    assert OFFENDERS[name][1] in report


def test_clean_test_passes(report: str) -> None:
    assert "PASSED tests/unit/test_clean.py::test_it" in report
    assert not re.search(r"^(?:ERROR|FAILED) tests/unit/test_clean", report, re.MULTILINE)
