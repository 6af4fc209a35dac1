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


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(TESTS)))
def test_nothing_is_patched(source: Path) -> None:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            assert not any("mock" in name for name in names), f"{source}:{node.lineno}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            patching = node.value.id == "monkeypatch" and node.attr not in SURROUNDINGS
            assert not patching, f"{source}:{node.lineno}: use a fake edge (tests/fakes)"
