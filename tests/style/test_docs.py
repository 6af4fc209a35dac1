# SPDX-License-Identifier: Apache-2.0
"""The Python in the documentation is Python, what it imports exists, and so do commands."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from virloom.cli.main import COMMANDS
from virloom.cli.shell.line import LineError, parse_words

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.rst"), *(ROOT / "docs").rglob("*.rst")]
    if "_build" not in path.parts
)

_BLOCK = re.compile(r"^( *)\.\. code-block:: python\n\n((?:\1 +.*\n|\n)+)", re.MULTILINE)


def _blocks() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, found in enumerate(_BLOCK.finditer(page.read_text(encoding="utf-8") + "\n")):
            yield f"{page.relative_to(ROOT)}:{number}", textwrap.dedent(found[2])


BLOCKS = dict(_blocks())


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize("name", BLOCKS)
def test_example_compiles(name: str) -> None:
    compile(BLOCKS[name], name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("name", BLOCKS)
def test_what_an_example_imports_exists(name: str) -> None:
    for node in ast.walk(ast.parse(BLOCKS[name])):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("virloom"):
            module = importlib.import_module(node.module or "")
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(
        r"``((?:src|tests|tools|docs|data|changes)/[\w./-]+)``", page.read_text(encoding="utf-8")
    )
    assert [path for path in named if not (ROOT / path).exists()] == []


#: A prompt of a user, of root, or of one of several hosts; or none.
LINE = re.compile(r"^\s+(?:\w*[$#] )?(?:\.venv/bin/)?virloom ((?:.*\\\n)*.*)$", re.MULTILINE)
#: Options before a command, and how many words each takes.
BEFORE = {"-c": 1, "-o": 1}


def commands(page: Path) -> Iterator[list[str]]:
    for text in LINE.findall(page.read_text()):
        text = re.split(r"\s\s+#|\s{4,}| && ", text.replace("\\\n", " "))[0]
        words = shlex.split(text, comments=True)
        while words and words[0] in BEFORE:
            words = words[1 + BEFORE[words[0]] :]
        if words and words[0] not in COMMANDS and not words[0].startswith("-"):
            yield [word for word in words if word not in ("&", "|")]


def test_there_are_command_lines() -> None:
    assert sum(len(list(commands(page))) for page in PAGES) > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_are_as_they_are_written(page: Path) -> None:
    for words in commands(page):
        line = words if " " not in words[0] else shlex.split(words[0].partition(";")[0])
        try:
            parse_words(line)
        except LineError as wrong:
            pytest.fail(f"{line}: {wrong.args}")
