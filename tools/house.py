# SPDX-License-Identifier: Apache-2.0
"""Figures of the house: how long functions and files are, how much is left untyped.

``python -m tools.house`` prints them. The limits that fail a run are in :mod:`tools.check_sizes`;
these are the figures to look at before building on: a median that creeps up tells sooner than a
limit that is reached.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tools.tracked import is_generated, text_of, tracked_files

_IGNORE = re.compile(r"#\s*(type:\s*ignore|noqa|pragma:\s*no cover)")
_PATCH = re.compile(r"\b(monkeypatch\.(setattr|setitem|delattr)|mock\.patch|MagicMock)\b")


@dataclass
class Figures:
    """What was counted in one tree of sources."""

    files: list[int] = field(default_factory=list)
    functions: list[int] = field(default_factory=list)
    any_uses: int = 0
    ignores: int = 0
    patches: int = 0

    def add(self, text: str) -> None:
        """Counts one source in."""
        self.files.append(text.count("\n"))
        self.ignores += len(_IGNORE.findall(text))
        self.patches += len(_PATCH.findall(text))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.functions.append((node.end_lineno or node.lineno) - node.lineno + 1)
            elif isinstance(node, ast.Name) and node.id == "Any":
                self.any_uses += 1

    def rows(self) -> Iterator[tuple[str, str]]:
        """Name and value of each figure."""
        lines = sum(self.files)
        yield "files", f"{len(self.files)}, {lines} lines"
        yield "file lines (median, 90 %, maximum)", _spread(self.files)
        yield "functions", str(len(self.functions))
        yield "function lines (median, 90 %, maximum)", _spread(self.functions)
        yield "Any", f"{self.any_uses} ({1000 * self.any_uses / lines:.2f} per 1,000 lines)"
        yield "ignores", f"{self.ignores} ({1000 * self.ignores / lines:.2f} per 1,000 lines)"
        yield "patches", f"{self.patches} ({1000 * self.patches / lines:.2f} per 1,000 lines)"


def _spread(lengths: list[int]) -> str:
    ordered = sorted(lengths)
    return f"{ordered[len(ordered) // 2]}, {ordered[len(ordered) * 9 // 10]}, {ordered[-1]}"


def measure(folder: str, paths: tuple[Path, ...]) -> tuple[Figures, int]:
    """The figures of the written sources below *folder*, and the lines of the generated ones."""
    figures, generated = Figures(), 0
    for path in paths:
        if path.suffix == ".py" and path.parts[0] == folder:
            text = text_of(path) or ""
            if is_generated(text):
                generated += text.count("\n")
            else:
                figures.add(text)
    return figures, generated


def main() -> int:
    """Entry point."""
    for folder in ("src", "tools", "tests"):
        figures, generated = measure(folder, tracked_files())
        print(f"{folder} (and {generated} lines generated)")
        for name, value in figures.rows():
            print(f"  {name:<40} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
