# SPDX-License-Identifier: Apache-2.0
"""The files of the repository, and the settings of its checks."""

from __future__ import annotations

import subprocess
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@cache
def settings() -> dict[str, Any]:
    """``[tool.virloom.check]`` of pyproject.toml."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["virloom"]["check"]
    assert isinstance(found, dict)
    return found


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file that git tracks and that exists, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return tuple(
        path for name in listed.split("\0") if name and (ROOT / (path := Path(name))).is_file()
    )


def text_of(path: Path) -> str | None:
    """The text of a tracked file; None for one that is not text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def is_generated(text: str) -> bool:
    """Whether a source says in its first lines that a tool wrote it."""
    return str(settings()["generated-marker"]) in "\n".join(text.splitlines()[:3])


def report(problems: list[str], cure: str) -> int:
    """Prints *problems* with what to do about them; the exit code of a check."""
    for problem in problems:
        print(problem)
    if problems:
        print(f"cure: {cure}")
    return 1 if problems else 0
