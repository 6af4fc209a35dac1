# SPDX-License-Identifier: Apache-2.0
"""A measured program: started, asked line by line, ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parent.parent.parent
SYSTEM_PYTHON = "/usr/bin/python3"
"""The interpreter that has Debian's python3-libvirt."""


class SideError(Exception):
    """The program could not do what it was asked; the row stays empty."""


class Side:
    """One program of :mod:`tools.bench.sides`.

    Args:
        argv: Interpreter, module and arguments.
        log: File for what the program says on standard error.
    """

    def __init__(self, argv: Sequence[str], log: Path) -> None:
        self._log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )

    def ask(self, request: str, **arguments: Any) -> Any:
        """The program's answer.

        Raises:
            SideError: It reports an error, or is gone.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": request, **arguments}).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError as error:
            raise SideError(self._last_words()) from error
        if not answer:
            raise SideError(self._last_words())
        message = json.loads(answer)
        if "error" in message:
            raise SideError(message["error"])
        return message["ok"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return lines[-1] if lines else "the program ended without a word"


def bare(directory: Path) -> Side:
    """QEMU started by hand."""
    return Side([sys.executable, "-m", "tools.bench.sides.bare"], directory / "bare.log")


def virloom(directory: Path, root: Path) -> Side:
    """Our embedded driver on *root*."""
    argv = [sys.executable, "-m", "tools.bench.sides.virloom_home", str(root)]
    return Side(argv, directory / "virloom.log")


def libvirt(directory: Path, home: str, root: Path) -> Side:
    """libvirt: ``embed`` or ``first`` on *root*, or its ``daemon`` in namespaces of its own."""
    argv = [SYSTEM_PYTHON, "-m", "tools.bench.sides.libvirt_home", home, str(root)]
    if home == "daemon":
        argv = ["unshare", "--mount", "--net", "--propagation", "private", *argv]
    return Side(argv, directory / f"libvirt-{home}.log")
