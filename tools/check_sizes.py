# SPDX-License-Identifier: Apache-2.0
"""Checks that no file and no function has grown into two subjects; generated code is exempt."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from tools.tracked import is_generated, report, settings, text_of, tracked_files


def too_long(path: Path, text: str, *, file_lines: int, function_lines: int) -> list[str]:
    """What is longer than allowed in one Python source."""
    if is_generated(text):
        return []
    found = []
    lines = text.count("\n")
    if lines > file_lines:
        found.append(f"{path}:1: {lines} lines; at most {file_lines}")
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > function_lines:
                where = f"{path}:{node.lineno}"
                found.append(f"{where}: {node.name} has {length} lines; at most {function_lines}")
    return found


def main() -> int:
    """Entry point."""
    limits = settings()
    problems: list[str] = []
    for path in tracked_files():
        if path.suffix == ".py":
            problems += too_long(
                path,
                text_of(path) or "",
                file_lines=limits["file-lines"],
                function_lines=limits["function-lines"],
            )
    return report(problems, "split it by subject: a file is one subject, a function one step")


if __name__ == "__main__":
    sys.exit(main())
