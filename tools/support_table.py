# SPDX-License-Identifier: Apache-2.0
"""The Sphinx directive ``support-table``: which procedures a driver serves, read off its sources.

The sources are parsed, not imported: a handler is a method under ``@serves(procedures.AREA.NAME)``.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import Directive

from tools.tracked import ROOT
from virloom.daemon import gate
from virloom.procedures import find
from virloom.procedures.numbers import PROCEDURES

if TYPE_CHECKING:
    from sphinx.application import Sphinx

DRIVERS = ROOT / "src" / "virloom" / "drivers"
#: The folder there that is no driver.
SHARED = "runtime"
_PACKAGE = "virloom.drivers."

#: The programs that applications call.
_PROGRAMS = {0x20008086: "remote", 0x20008087: "qemu"}

#: Area of another program → who serves it, and where its handlers are.
_OTHERS = {
    "admin": ("every daemon", "daemon/admin_handlers.py"),
    "lock": ("virtlockd", "daemons/virtlockd.py"),
    "log": ("virtlogd", "daemons/virtlogd.py"),
    "recorder": ("QEMU driver", "drivers/qemu/handlers/recorder.py"),
}


def served_names(tree: ast.AST) -> Iterator[str]:
    """The last names of the procedures that a module's ``@serves`` decorators name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("serves"):
                    yield ast.unparse(call.args[0]).rsplit(".", 1)[-1]


def served_by_driver(drivers: Path) -> dict[str, frozenset[str]]:
    """Driver → names of the procedures that it serves, e.g. ``DOMAIN_CREATE``.

    What drivers share is in ``runtime`` or with another driver; it is theirs who import it.
    """
    trees = {
        source.relative_to(drivers).with_suffix("").parts: ast.parse(
            source.read_text(encoding="utf-8")
        )
        for source in sorted(drivers.rglob("*.py"))
    }
    served = {parts: frozenset(served_names(tree)) for parts, tree in trees.items()}
    found: dict[str, frozenset[str]] = {}
    for parts, tree in trees.items():
        if len(parts) > 1 and parts[0] != SHARED:
            shared = (served.get(module, frozenset()) for module in _imported(tree))
            names = served[parts].union(*shared)
            found[parts[0]] = found.get(parts[0], frozenset()) | names
    return {driver: names for driver, names in found.items() if names}


def _imported(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """The modules of drivers that a module imports, as parts of their paths."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_PACKAGE):
            module = tuple((node.module or "").removeprefix(_PACKAGE).split("."))
            yield module
            yield from ((*module, alias.name) for alias in node.names)


def _names_by_area() -> dict[str, list[str]]:
    areas: dict[str, list[str]] = defaultdict(list)
    for program in _PROGRAMS:
        for number, (area, name) in PROCEDURES.get(program, {}).items():
            procedure = find(program, number)
            if procedure is not None and procedure.kind == "call":
                areas[area].append(name)
    return areas


def rows_of_others() -> Iterator[list[str]]:
    """Program, who serves it, what is served, and what is not."""
    own, refused = (
        ", ".join(sorted(PROCEDURES[gate.REMOTE][number][1] for number in numbers))
        for numbers in (gate.OWN - gate.AUTH_SASL, gate.AUTH_SASL)
    )
    yield ["remote", "every daemon, before its driver", own, refused]
    for procedures in PROCEDURES.values():
        area = next(iter(procedures.values()))[0]
        if area in _OTHERS:
            who, place = _OTHERS[area]
            tree = ast.parse((DRIVERS.parent / place).read_text(encoding="utf-8"))
            names = {name for _, name in procedures.values()}
            served = names.intersection(served_names(tree))
            yield [area, who, ", ".join(sorted(served)), ", ".join(sorted(names - served))]


def table(rows: list[list[str]]) -> nodes.table:
    """A table of cells with text and ``literals``; the first row is its head."""
    head, *body = rows
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *map(_row, body))
    return nodes.table("", group)


def _row(cells: list[str]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", _paragraph(cell)) for cell in cells))


def _paragraph(text: str) -> nodes.paragraph:
    parts = text.split("``")
    return nodes.paragraph(
        "",
        "",
        *(
            nodes.literal("", part) if number % 2 else nodes.Text(part)
            for number, part in enumerate(parts)
        ),
    )


class SupportTable(Directive):
    """How many procedures of each area each driver serves, which, and those of other programs."""

    def run(self) -> list[nodes.Node]:
        """The nodes that take the directive's place."""
        reread_each_time(self)
        drivers = served_by_driver(DRIVERS)
        areas = sorted(_names_by_area().items())
        counts = [["area", "procedures", *(f"{driver} driver" for driver in drivers)]]
        which = [["area", "driver", "served"]]
        for area, names in areas:
            served = [sorted(driver.intersection(names)) for driver in drivers.values()]
            counts.append([area, str(len(names)), *(str(len(found)) for found in served)])
            which += [
                [area, driver, ", ".join(found)]
                for driver, found in zip(drivers, served, strict=True)
                if found
            ]
        others = [["program", "served by", "served", "not served"], *rows_of_others()]
        return [table(counts), table(which), table(others)]


def reread_each_time(directive: Directive) -> None:
    """Has Sphinx make the page again though its text is unchanged: its content is computed."""
    directive.state.document.settings.env.note_reread()


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("support-table", SupportTable)
    return {"parallel_read_safe": True}
