# SPDX-License-Identifier: Apache-2.0
"""Blocking calls, events and streams of eight threads on one connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Virtqemud
from tests.interop.reference import Libvirtd, needs_libvirtd

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PYTHONPATH = str(ROOT / "src")
NAMES = {f"guest{number}" for number in range(8)}


def session(binding: str, uri: str, kind: str) -> Any:
    done = subprocess.run(
        [sys.executable, str(HERE / "threads_session.py"), binding, uri, kind],
        env=os.environ | {"PYTHONPATH": PYTHONPATH},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "binding", [pytest.param(name, marks=needs_libvirtd) for name in ("dropin", "sync")]
)
def test_on_libvirtd(libvirtd: Libvirtd, binding: str) -> None:
    came = session(binding, f"test+unix:///default?socket={libvirtd.socket}", "test")
    each = {"0": 5, "1": 5, "2": 5, "5": 5}
    assert came["counts"] == dict.fromkeys(NAMES, each)
    assert came["first"] == dict.fromkeys(NAMES, 0)
    assert len(set(came["sizes"])) == 1
    assert came["sizes"][0] > 1000


def test_on_virtqemud(virtqemud: Virtqemud) -> None:
    for binding in ("dropin", "sync"):
        came = session(binding, virtqemud.uri(), "qemu")
        assert came["counts"] == {name: {"0": 5, "1": 5} for name in NAMES}
        assert came["first"] == dict.fromkeys(NAMES, 0)
