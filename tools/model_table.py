# SPDX-License-Identifier: Apache-2.0
"""The Sphinx directive ``model-table``: every field of a document type, from its declaration."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from docutils import nodes
from docutils.parsers.rst import Directive

from tools.support_table import reread_each_time, table
from virloom.model import DOCUMENTS, document_class
from virloom.xml.fields import Field, Role
from virloom.xml.kinds import Kind

if TYPE_CHECKING:
    from sphinx.application import Sphinx

    from virloom.xml.element import Element

HEAD = ["where", "value", "if absent", "notes"]

#: What the kinds are called here, by their names in the sources; others are called by these.
_WORDS = {
    "UINT": "number of 32 bits",
    "UINT_OWNED": "number of 32 bits",
    "UINT_ANY_BASE": "number, also 0x… or 0…",
    "UINT_POSITIVE": "number from 1",
    "ULONG": "number of 64 bits",
    "INT": "number, also negative",
    "LONG": "number of 64 bits, also negative",
    "UUID": "UUID",
    "MAC": "MAC address",
}


class Row(NamedTuple):
    """One field of a document."""

    path: str
    value: str
    default: str
    notes: str


def rows(root: str) -> Iterator[Row]:
    """The fields of the document type with this root element, in the order of a document.

    Raises:
        ValueError: There is no such document type.
    """
    cls = document_class(root)
    if cls is None:
        raise ValueError(f"no document has the root element '{root}'")
    yield from _below(cls, root, (cls,), _kind_names())


def _below(
    cls: type[Element], path: str, above: tuple[type[Element], ...], names: dict[int, str]
) -> Iterator[Row]:
    if cls._content is not None:
        yield _row(cls._content, path, names)
    for field in cls._attribute_order:
        if not field.name.startswith("xmlns"):
            yield _row(field, f"{path}/@{field.name}", names)
    for field in cls._child_order:
        if field.members:
            for tag, member in field.members.items():
                yield Row(f"{path}/{tag}", "elements", "", "in the document's order")
                yield from _below(member, f"{path}/{tag}", (*above, member), names)
        else:
            yield from _child(field, f"{path}/{field.name}", above, names)


def _child(
    field: Field, path: str, above: tuple[type[Element], ...], names: dict[int, str]
) -> Iterator[Row]:
    inner = field.cls
    if inner is None:
        yield _row(field, path, names)
        for name, (_, kind) in (field.beside or {}).items():
            yield Row(f"{path}/@{name}", _value(kind, names), "", "")
    elif inner.tag in DOCUMENTS:
        yield Row(path, "element", "", f"a whole <{inner.tag}>")
    elif inner in above:
        yield Row(path, "element", "", f"as {inner.__name__} above")
    else:
        if inner._content is None:
            yield _row(field, path, names)
        yield from _below(inner, path, (*above, inner), names)


def _row(field: Field, path: str, names: dict[int, str]) -> Row:
    return Row(path, _shape(field, names), _default(field), ", ".join(_notes(field)))


def _shape(field: Field, names: dict[int, str]) -> str:
    if field.role in (Role.CHILD, Role.GROUP):
        return "element"
    if field.role is Role.CHILDREN:
        return "elements"
    if field.role is Role.FLAG:
        return "present or not"
    if field.role in (Role.VERBATIM, Role.RAW):
        return "anything, kept word for word"
    return _value(field.kind, names)


def _value(kind: Kind[Any], names: dict[int, str]) -> str:
    if kind.choices:
        return ", ".join(kind.choices)
    name = names.get(id(kind), "")
    words = _WORDS.get(name) or name.lower().replace("_", " ").strip()
    if kind.scaled is not None:
        return f"amount ({words})" if words else "amount"
    return "text" if kind.parse is None or not words else words


def _default(field: Field) -> str:
    if field.default is None or field.default is False or field.default == "":
        return ""
    shown = field.kind.show
    return str(field.default) if shown is None else shown(field.default)


def _notes(field: Field) -> Iterator[str]:
    if field.role is Role.LEAVES:
        yield "any number"
    if field.required:
        yield "required"
    if field.since:
        yield f"since {field.since}"
    if field.live:
        yield "only of what runs"
    if field.secret:
        yield "secret"
    if field.kind.scaled is not None:
        yield "has @unit"


def _kind_names() -> dict[int, str]:
    """The names that kinds have in the sources; of several the first."""
    found: dict[int, str] = {}
    for module in [name for name in sys.modules if name.startswith("virloom.")]:
        for name, value in vars(sys.modules[module]).items():
            if isinstance(value, Kind):
                found.setdefault(id(value), name)
    return found


class ModelTable(Directive):
    """The fields of one document type, a table for each of its parts."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The nodes that take the directive's place."""
        reread_each_time(self)
        made: list[nodes.Node] = []
        for part, found in parts(rows(self.arguments[0])).items():
            made += [nodes.rubric(part, part), table([HEAD, *map(list, found)])]
        return made


def parts(fields: Iterable[Row]) -> dict[str, list[Row]]:
    """The fields by the part of the document that they are in: the root, or an element below it."""
    by_part: dict[str, list[Row]] = {}
    for row in fields:
        steps = row.path.split("/")
        depth = 3 if steps[1:2] == ["devices"] else 2
        by_part.setdefault("/".join(steps[:depth]), []).append(row)
    root: dict[str, list[Row]] = {}
    for part, found in by_part.items():
        # What has nothing below it needs no table of its own.
        key = part if len(found) > 1 else part.split("/")[0]
        root.setdefault(key, []).extend(found)
    return root


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("model-table", ModelTable)
    return {"parallel_read_safe": True}
