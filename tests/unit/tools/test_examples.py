# SPDX-License-Identifier: Apache-2.0
"""Examples of the documentation: commands that there are, with options that they have."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.tracked import ROOT
from virloom.cli.main import COMMANDS
from virloom.cli.shell.line import LineError, parse_words

PAGES = [ROOT / "README.rst", *sorted((ROOT / "docs").glob("*/*.rst"))]
#: A prompt of a user, of root, or of one of several hosts; or none.
LINE = re.compile(r"^\s+(?:\w*[$#] )?(?:\.venv/bin/)?virloom ((?:.*\\\n)*.*)$", re.MULTILINE)
BLOCK = re.compile(r"^( *)\.\. code-block:: python\n\n((?:\1   .*\n|\s*\n)+)", re.MULTILINE)
#: Options before a command, with a value or without.
BEFORE = {"-c": 1, "-o": 1}


def commands(page: Path) -> Iterator[list[str]]:
    for text in LINE.findall(page.read_text()):
        text = re.split(r"\s\s+#|\s{4,}| && ", text.replace("\\\n", " "))[0]
        words = shlex.split(text, comments=True)
        while words and words[0] in BEFORE:
            words = words[1 + BEFORE[words[0]] :]
        if words and words[0] not in COMMANDS and not words[0].startswith("-"):
            yield [word for word in words if word not in ("&", "|")]


def test_there_are_many() -> None:
    assert sum(len(list(commands(page))) for page in PAGES) > 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_are_as_they_are_written(page: Path) -> None:
    for words in commands(page):
        line = words if " " not in words[0] else shlex.split(words[0].partition(";")[0])
        try:
            parse_words(line)
        except LineError as wrong:
            pytest.fail(f"{line}: {wrong.args}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_programs_can_be_read(page: Path) -> None:
    for _, text in BLOCK.findall(page.read_text()):
        source = textwrap.dedent(text)
        compile(source, page.name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
