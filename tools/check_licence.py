# SPDX-License-Identifier: Apache-2.0
"""Checks that every source names its licence in the first two lines."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.tracked import report, text_of, tracked_files

LINE = "SPDX-License-Identifier: Apache-2.0"

_SUFFIXES = {".py", ".sh"}
_NAMES = {"Makefile", "run"}


def unlicensed(files: dict[Path, str]) -> list[str]:
    """The sources among *files* (path → text) whose first two lines lack the licence."""
    return [
        f"{path}:1: no licence line"
        for path, text in files.items()
        if (path.suffix in _SUFFIXES or path.name in _NAMES)
        and not any(LINE in line for line in text.splitlines()[:2])
    ]


def main() -> int:
    """Entry point."""
    texts = {path: text_of(path) or "" for path in tracked_files()}
    return report(unlicensed(texts), f'make "# {LINE}" the first line')


if __name__ == "__main__":
    sys.exit(main())
