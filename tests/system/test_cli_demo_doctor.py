# SPDX-License-Identifier: Apache-2.0
"""``virloom demo`` and ``virloom doctor``, as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import pytest

UserPython = Callable[[Sequence[str]], list[str]]

pytestmark = pytest.mark.timeout(180)


def as_user(ordinary_user: UserPython, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs ``virloom`` as an ordinary user."""
    code = "import sys; from virloom.cli.main import main; sys.exit(main())"
    argv = ordinary_user(["-c", code, *words])
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


def assert_demo(done: subprocess.CompletedProcess[str]) -> None:
    """It booted a guest, which answered and powered off."""
    assert (done.returncode, done.stderr) == (0, "")
    assert "| VIRLOOM-GUEST-READY boot-id=" in done.stdout
    assert "| Linux " in done.stdout
    assert "powered off" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("done")


def test_the_demo(virloom_command: Any) -> None:
    assert_demo(virloom_command("demo"))


def test_the_demo_as_an_ordinary_user(ordinary_user: UserPython) -> None:
    assert_demo(as_user(ordinary_user, "demo"))


def findings(output: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The findings of doctor's JSON by area and name."""
    return {(item["area"], item["name"]): item for item in json.loads(output)["findings"]}


def test_doctor_as_this_user(virloom_command: Any) -> None:
    done = virloom_command("doctor", "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    found = findings(done.stdout)
    assert json.loads(done.stdout)["guests-run"] is True
    assert found["QEMU", "x86_64"]["detail"].startswith("/usr/bin/qemu-system-x86_64, version ")
    assert found["accelerators", "tcg"]["found"]
    assert (
        "qemu-utils" in found["programs", "qemu-img"]["remedy"]
        or (found["programs", "qemu-img"]["found"])
    )
    for item in found.values():
        assert item["found"] or item["area"] in ("accelerators", "user") or item["remedy"]


def test_doctor_is_readable(virloom_command: Any) -> None:
    done = virloom_command("doctor")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "QEMU"
    assert lines[-1].startswith("Guests run here, by ")


def test_doctor_as_an_ordinary_user(ordinary_user: UserPython) -> None:
    done = as_user(ordinary_user, "doctor", "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    found = findings(done.stdout)
    uid = 65534 if os.geteuid() == 0 else os.geteuid()
    assert f"({uid}:" in found["user", "QEMU runs as"]["detail"]
    assert found["accelerators", "tcg"]["found"]
