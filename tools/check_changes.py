# SPDX-License-Identifier: Apache-2.0
"""Checks the change notes: ``changes/<issue>.<kind>.rst``; with a range, that the range brings one.

python -m tools.check_changes                    the notes are well named and not empty
python -m tools.check_changes origin/main..HEAD  and a change of src/ has one
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tools.tracked import ROOT, report, text_of, tracked_files

KINDS = ("feature", "fix", "removal", "doc", "internal")

_NAME = re.compile(rf"\d+(?:-[a-z0-9-]+)?\.(?:{'|'.join(KINDS)})\.rst")


def malformed(notes: dict[str, str]) -> list[str]:
    """What is wrong with the notes (file name → text)."""
    found = [
        f"changes/{name}: not <issue>.<kind>.rst" for name in notes if not _NAME.fullmatch(name)
    ]
    return found + [f"changes/{name}: is empty" for name, text in notes.items() if not text.strip()]


def without_note(changed: list[str]) -> bool:
    """Whether a list of changed paths touches the product and brings no note."""
    product = any(path.startswith("src/") for path in changed)
    return product and not any(path.startswith("changes/") for path in changed)


def main() -> int:
    """Entry point."""
    notes = {
        path.name: text_of(path) or ""
        for path in tracked_files()
        if path.parent == Path("changes") and path.name != "README.rst"
    }
    problems = malformed(notes)
    for span in sys.argv[1:]:
        changed = subprocess.run(
            ["git", "diff", "--name-only", span.replace("..", "...")],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        if without_note(changed):
            problems.append(f"{span}: changes src/ without a change note")
    return report(
        problems,
        f"write changes/<issue>.<kind>.rst (kinds: {', '.join(KINDS)}); see changes/README.rst",
    )


if __name__ == "__main__":
    sys.exit(main())
