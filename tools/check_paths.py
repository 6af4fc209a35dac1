# SPDX-License-Identifier: Apache-2.0
"""Checks file names, and that nothing depends on one developer's machine or package index."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.tracked import report, settings, text_of, tracked_files

#: Where the patterns themselves are written down.
_HOLD_PATTERNS = ("pyproject.toml", "tools/check_paths.py", "tests/unit/tools/test_checks.py")
_EXEMPT = {Path(name) for name in _HOLD_PATTERNS}

#: Settings by which a package index gets into a file.
_INDEX = re.compile(r"(?:--(?:extra-)?index-url|index[-_]url *=|PIP_INDEX|PROXY=)", re.IGNORECASE)


def named_without_subject(files: Sequence[Path], names: Sequence[str]) -> list[str]:
    """Python files and folders whose name says nothing about their content."""
    return [
        f"{path}: the name says nothing about its subject"
        for path in files
        if path.suffix == ".py" and {path.stem, *path.parts[:-1]} & set(names)
    ]


def machine_bound(path: Path, text: str, patterns: Sequence[str]) -> list[str]:
    """Lines of a file that name a path of one machine, or a package index."""
    found = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    return [
        f"{path}:{number}: depends on one machine: {line.strip()[:100]}"
        for number, line in enumerate(text.splitlines(), 1)
        if found.search(line) or _INDEX.search(line)
    ]


def main() -> int:
    """Entry point."""
    files = tracked_files()
    problems = named_without_subject(files, settings()["names-without-subject"])
    for path in files:
        if path not in _EXEMPT and path.parts[:2] != ("data", "protocol"):
            problems += machine_bound(path, text_of(path) or "", settings()["machine-paths"])
    return report(
        problems,
        "name a file after its subject; take paths from arguments, the environment or a"
        " temporary directory, and leave the package index to pip's own configuration",
    )


if __name__ == "__main__":
    sys.exit(main())
