# SPDX-License-Identifier: Apache-2.0
"""Tests are where one looks for them, and use real objects."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent

#: What of pytest's monkeypatch replaces surroundings, not code.
SURROUNDINGS = {"setenv", "delenv", "chdir", "syspath_prepend", "context", "undo"}

SOURCES = sorted(TESTS.rglob("*.py"))


@pytest.mark.parametrize("folder", sorted(p for p in (TESTS / "unit").rglob("*") if p.is_dir()))
def test_unit_tests_mirror_the_sources(folder: Path) -> None:
    if folder.name == "__pycache__":
        return
    relative = folder.relative_to(TESTS / "unit")
    mirrored = [ROOT / "src" / "virloom" / relative, ROOT / relative]
    assert any(path.is_dir() for path in mirrored), f"no {relative} in src/virloom"


def _patches_code(call: ast.Call) -> bool:
    """Whether a call replaces code; a time limit (a constant named by a string) may be another."""
    function = call.func
    if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
        return False
    if function.value.id != "monkeypatch" or function.attr in SURROUNDINGS:
        return False
    target = call.args[0]
    if isinstance(target, ast.Constant) and isinstance(target.value, str):
        return not target.value.rpartition(".")[2].isupper()
    return True


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(TESTS)))
def test_nothing_is_patched(source: Path) -> None:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            assert not any("mock" in name for name in names), f"{source}:{node.lineno}"
        if isinstance(node, ast.Call):
            where = f"{source}:{node.lineno}"
            assert not _patches_code(node), f"{where}: use a fake edge (tests/fakes)"
