# SPDX-License-Identifier: Apache-2.0
"""The Sphinx directive ``error-table``: which errors there are, and which parts use them.

The sources are parsed, not run: whoever names an error's class uses it, unless to catch it.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import Directive

from tools.support_table import reread_each_time, table
from tools.tracked import ROOT
from virloom.errors import VirloomError
from virloom.errors.classes import BY_CODE

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SOURCES = ROOT / "src" / "virloom"
_CONSTANT = re.compile(r"``(VIR_ERR_\w+)``")

#: Where the errors themselves are, and what is generated of them.
_OWN = ("errors", "sync")


def used(sources: Path) -> dict[str, set[str]]:
    """Class of an error → the parts of the package that name it, such as ``drivers/qemu``."""
    names = {error.__name__ for error in BY_CODE.values()}
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(sources.rglob("*.py")):
        place = path.relative_to(sources).with_suffix("").parts
        if place[0] in _OWN:
            continue
        part = "/".join(place[:2] if place[0] == "drivers" else place[:1])
        for name in names & _used_by(ast.parse(path.read_text(encoding="utf-8"))):
            found[name].add(part)
    return found


def _used_by(tree: ast.AST) -> set[str]:
    """The names that a module makes errors of, or hands on for that."""
    loaded = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    caught = {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and node.type is not None
        for name in ast.walk(node.type)
        if isinstance(name, ast.Name)
    }
    made = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return made | (loaded - caught)


def rows(sources: Path) -> list[list[str]]:
    """Class, code, libvirt's name, its words and where it is used, for each that is."""
    parts = used(sources)
    return [
        [error.__name__, str(code), _constant(error), error.alone, ", ".join(sorted(parts[name]))]
        for code, error in sorted(BY_CODE.items())
        if (name := error.__name__) in parts
    ]


def _constant(error: type[VirloomError]) -> str:
    found = _CONSTANT.search(error.__doc__ or "")
    return found[1] if found else ""


class ErrorTable(Directive):
    """A row per error."""

    def run(self) -> list[nodes.Node]:
        """The nodes that take the directive's place."""
        reread_each_time(self)
        head = ["class", "code", "libvirt's name", "its words", "used in"]
        return [table([head, *rows(SOURCES)])]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("error-table", ErrorTable)
    return {"parallel_read_safe": True}
