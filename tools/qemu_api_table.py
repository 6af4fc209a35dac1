# SPDX-License-Identifier: Apache-2.0
"""The Sphinx directive ``qemu-api-table``: each API of libvirt's QEMU driver, and what tests it.

What is served is read off the handlers (:mod:`tools.support_table`), what tests call off their
sources: procedures by name, methods of our client and of python3-libvirt, commands of virsh. The
reasons are those of ``data/interop/qemu-apis.json``.
"""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from docutils import nodes
from docutils.parsers.rst import Directive

from tools.support_table import DRIVERS, reread_each_time, served_by_driver, table
from tools.tracked import ROOT
from virloom.procedures import find
from virloom.procedures.numbers import PROCEDURES

if TYPE_CHECKING:
    from sphinx.application import Sphinx

#: Tests with real guests, or beside libvirt.
TESTS = (ROOT / "tests" / "system", ROOT / "tests" / "interop")
CLIENT = ROOT / "src" / "virloom" / "client"
WORDS = ROOT / "src" / "virloom" / "cli" / "words"
PROTOCOL = ROOT / "data" / "protocol"
REASONS = ROOT / "data" / "interop" / "qemu-apis.json"

#: Classes of the client whose methods have the names of a domain's: class → what it is called.
_OBJECTS = {
    name: name.lower()
    for name in (
        "Snapshot", "Checkpoint", "Network", "Secret", "Interface", "Pool", "Volume", "Stream",
        "NodeDevice", "Filter", "Binding", "Port",
    )
}  # fmt: skip

#: Tests of another driver than QEMU's.
_OTHERS = ("testdriver", "domain_test.txt")

#: Names of tests shown in a cell; the others are counted.
_SHOWN = 3

Call = tuple[str, str]
"""What a method is called on, by its last name, and the method."""


class Api(NamedTuple):
    """A row: the API's name, its procedure if it has one, and what is known of it."""

    name: str
    procedure: str | None
    served: bool
    tests: tuple[str, ...]
    reason: str


def qemu_apis() -> list[str]:
    """What libvirt's hypervisor matrix says its QEMU driver has."""
    matrix = json.loads((PROTOCOL / "drivers.json").read_text(encoding="utf-8"))
    rows = (row for section in matrix["sections"] for row in section["rows"])
    return sorted(row["api"] for row in rows if "qemu" in row["drivers"])


@cache
def procedures() -> dict[str, str]:
    """API → the name of its procedure."""
    found = {}
    for program, numbers in PROCEDURES.items():
        for number, (_, name) in numbers.items():
            procedure = find(program, number)
            if procedure is not None and procedure.kind == "call":
                found[procedure.api_name] = name
    return found


# -- what a method or a command comes to ----------------------------------------------------------


def calls_in(tree: ast.AST) -> Iterator[Call]:
    """Every method that is called, and what it is called on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            on = node.value.func if isinstance(node.value, ast.Call) else node.value
            last = on.attr if isinstance(on, ast.Attribute) else getattr(on, "id", "")
            yield last, node.attr


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@cache
def client_methods() -> dict[str, dict[str, frozenset[str]]]:
    """What is called on → method → procedures.

    On ``jobs`` (of ``dom.jobs``), on ``snapshot`` and the like; on the empty string for what is
    called on domains and connections themselves.
    """
    found: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)
    for source in sorted(CLIENT.rglob("*.py")):
        for kind in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if not isinstance(kind, ast.ClassDef):
                continue
            said = re.match(r"``\w+\.(\w+)``", ast.get_docstring(kind) or "")
            own = kind.name.lower() if kind.name in _OBJECTS else ""
            methods = found[said[1] if said else own]
            for function in _functions(kind):
                names = frozenset(name for _, name in calls_in(function) if name.isupper())
                methods[function.name] = methods.get(function.name, frozenset()) | names
    return {name: found[name] for name in ("", *found)}


def called(calls: Iterable[Call]) -> Iterator[str]:
    """The procedures that calls of our client's methods come to.

    Where ``dom.snapshots`` is used, any object may be a snapshot.
    """
    facets, made = client_methods(), list(calls)
    used = {f"{kind}s" for kind in _OBJECTS.values()} & {name for call in made for name in call}
    for on, method in made:
        owner = on
        if on not in facets:
            owner = next((n for n in _OBJECTS.values() if on.lower().startswith(n[:4])), "")
        yield from facets.get(owner, {}).get(method, ())
        for kind in used if owner == "" else ():
            yield from facets.get(kind.removesuffix("s"), {}).get(method, ())


@cache
def commands() -> dict[str, frozenset[str]]:
    """Command of virsh → the procedures that ours calls for it, as virsh does."""
    found: dict[str, frozenset[str]] = {}
    for source in sorted(WORDS.rglob("*.py")):
        tree = ast.parse(source.read_text(encoding="utf-8"))
        bodies = {function.name: function for function in _functions(tree)}
        for function in bodies.values():
            for mark in function.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "command":
                    for name in (arg.value for arg in mark.args if isinstance(arg, ast.Constant)):
                        found[str(name)] = frozenset(called(_with_helpers(function, bodies)))
        found.update(_deeds(tree))
    return found


#: What the words of devices find, as :func:`client_methods` calls it.
_FOUND = {"device": "nodedevice"}


def _deeds(tree: ast.Module) -> Iterator[tuple[str, frozenset[str]]]:
    """Commands of one call on what a name finds: ``deed(name, finding.KIND, lambda …)``."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or ast.unparse(node.func) != "deed":
            continue
        name, finding, deed = node.args[:3]
        if not isinstance(name, ast.Constant) or not isinstance(finding, ast.Attribute):
            continue
        kind = _FOUND.get(finding.attr, finding.attr)
        yield str(name.value), frozenset(called((kind, word) for _, word in calls_in(deed)))


def _with_helpers(function: ast.AST, bodies: dict[str, Any]) -> Iterator[Call]:
    """The calls of a function and of the module's own that it names, to any depth."""
    seen, todo = {id(function)}, [function]
    while todo:
        body = todo.pop()
        yield from calls_in(body)
        for node in ast.walk(body):
            helper = bodies.get(node.id) if isinstance(node, ast.Name) else None
            if helper is not None and id(helper) not in seen:
                seen.add(id(helper))
                todo.append(helper)


@cache
def binding() -> dict[str, frozenset[str]]:
    """Method of python3-libvirt → the APIs that it may be."""
    api = json.loads((PROTOCOL / "python-api.json").read_text(encoding="utf-8"))
    known = {
        method["name"]
        for module in api["modules"].values()
        for kind in module["classes"]
        for method in kind["methods"]
    } | {function["name"] for m in api["modules"].values() for function in m["functions"]}
    found: dict[str, set[str]] = defaultdict(set)
    for name in (*procedures(), *qemu_apis()):
        for method in _binding_names(name):
            if method in known:
                found[method].add(name)
    return {method: frozenset(names) for method, names in found.items()}


def _binding_names(api: str) -> Iterator[str]:
    """How the binding may call an API: without the class's prefix, and without ``Get``."""
    yield api
    if "Qemu" in api:
        yield "qemu" + api.partition("Qemu")[2]
    for prefix in (
        "virDomainSnapshot",
        "virDomainCheckpoint",
        "virDomain",
        "virConnect",
        "virNode",
    ):
        if api.startswith(prefix):
            short = api.removeprefix(prefix)
            for word in {short, short.removeprefix("Get"), short.removeprefix("List")}:
                yield word[:1].lower() + word[1:]
    if api.startswith(("virDomainSave", "virDomainMigrate", "virNode", "virDomain")):
        rest = api.removeprefix("vir").removeprefix("Domain")
        yield rest[:1].lower() + rest[1:]


# -- what tests call ------------------------------------------------------------------------------

_NAMES = re.compile(r"\b(?:[A-Z][A-Z0-9]*_)+[A-Z0-9]+\b")
_LINES = re.compile(
    r"(?:^|[;\"'(]|-c \S+ ) ?~?!? ?(?:-r )?([a-z][a-z0-9-]+)(?=[ ;\"'\\),]|$)", re.M
)


def called_by(path: Path) -> frozenset[str]:
    """The APIs that a test's source calls."""
    text = path.read_text(encoding="utf-8")
    names: set[str] = set()
    apis: set[str] = set()
    if path.suffix == ".py":
        names.update(_NAMES.findall(text))
        names.update(called(calls_in(ast.parse(text))))
        if re.search(r"^\s*import libvirt|/usr/bin/python3", text, re.MULTILINE):
            for on, word in re.findall(r"(?:(\w+)(?:\(\))?\.|\")(\w+)\b", text):
                about = (on or path.stem) + word  # a quoted name is of what the session is about
                apis |= {api for api in binding().get(word, ()) if _may_be(api, about)}
    if path.suffix != ".py" or "virsh" in text:
        for word in _LINES.findall(text):
            names |= commands().get(word, frozenset())
    by_name = {procedure: api for api, procedure in procedures().items()}
    return frozenset(apis | {by_name[name] for name in names if name in by_name})


def _may_be(api: str, on: str) -> bool:
    """Whether an API of snapshots or checkpoints may be meant, by the name of what it is on."""
    for kind in ("Snapshot", "Checkpoint"):
        if api.startswith(f"virDomain{kind}"):
            return kind[:4].lower() in on.lower()
    return True


@cache
def tested() -> dict[str, tuple[str, ...]]:
    """API → the tests that call it."""
    found: dict[str, list[str]] = defaultdict(list)
    for place in TESTS:
        for path in sorted(place.rglob("*")):
            if _OTHERS[0] in path.parts or path.name in _OTHERS:
                continue
            if path.suffix in (".py", ".txt", ".steps"):
                for api in called_by(path):
                    found[api].append(str(path.relative_to(ROOT / "tests")))
    return {api: tuple(paths) for api, paths in found.items()}


def reasons() -> dict[str, str]:
    """API → in what ours differs, or why it is not served."""
    entries: dict[str, str] = json.loads(REASONS.read_text(encoding="utf-8"))["apis"]
    return entries


def rows() -> list[Api]:
    """All of them."""
    served = served_by_driver(DRIVERS)["qemu"]
    differs = reasons()
    return [
        Api(
            name,
            procedures().get(name),
            procedures().get(name) in served,
            tested().get(name, ()),
            differs.get(name, ""),
        )
        for name in qemu_apis()
    ]


def _tests_cell(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more


class QemuApiTable(Directive):
    """One row for each API, and the sums before them."""

    def run(self) -> list[nodes.Node]:
        """The nodes that take the directive's place."""
        reread_each_time(self)
        found = rows()
        served = [row for row in found if row.served]
        sums = [
            ["APIs of libvirt's QEMU driver", "served", "served and tested"],
            [str(len(found)), str(len(served)), str(sum(bool(row.tests) for row in served))],
        ]
        body = [
            [row.name, "yes" if row.served else "no", _tests_cell(row.tests), row.reason]
            for row in found
        ]
        return [table(sums), table([["API", "served", "tested by", "differs because"], *body])]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("qemu-api-table", QemuApiTable)
    return {"parallel_read_safe": True}
