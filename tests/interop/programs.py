# SPDX-License-Identifier: Apache-2.0
"""Side programs, ours and libvirt's, run on the same host or on the same changed one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[str]


def ours(module: str) -> list[str]:
    """The command of the program in ``virloom.cli.programs``."""
    program = f"from virloom.cli.programs.{module} import main; raise SystemExit(main())"
    return [sys.executable, "-c", program]


def needs(program: str, *, root: bool = False) -> list[pytest.MarkDecorator]:
    """Marks of tests that compare with a program of libvirt's."""
    lacks = shutil.which(program) is None or (root and os.geteuid() != 0)
    reason = f"{program} of libvirt 9 is not installed" + (", or this is not root" if root else "")
    return [pytest.mark.parity, pytest.mark.skipif(lacks, reason=reason)]


def run(
    command: Sequence[str | Path],
    *,
    prepare: str = "",
    input: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = 60,
) -> Done:
    """Runs a program to its end.

    Args:
        prepare: Shell commands before it, in a mount namespace of their own, where ``/srv`` is
            empty: the program sees a host that they have changed.
    """
    words = [str(word) for word in command]
    if prepare:
        script = f'mount -t tmpfs -o mode=755 private /srv\n{prepare}\nexec "$@"'
        unshare = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh"]
        words = [*unshare, *words]
    return subprocess.run(
        words, input=input, capture_output=True, text=True, timeout=seconds, check=False, cwd=cwd,
        env={**os.environ, "LC_ALL": "C", **(env or {})},
    )  # fmt: skip
