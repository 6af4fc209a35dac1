# SPDX-License-Identifier: Apache-2.0
"""A RELAX NG schema of a document type, from the classes that read it and the names beyond them.

It takes what the reader takes with ``validate``: children in any order, any number of them (of one
that counts once, the first counts), and no name that nobody knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from virloom.model.domain import Domain
from virloom.xml.fields import Field, Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from virloom.model.schema import PathSchema
    from virloom.xml.element import Element
    from virloom.xml.kinds import Kind

_HEAD = """\
<?xml version='1.0' encoding='UTF-8'?>
<!-- Made by Virloom from the declarations of virloom.model. -->
<grammar xmlns='http://relaxng.org/ns/structure/1.0'
         datatypeLibrary='http://www.w3.org/2001/XMLSchema-datatypes'>
"""
_ANYTHING = """\
  <define name='anything'>
    <zeroOrMore>
      <choice>
        <attribute><anyName/></attribute>
        <text/>
        <element><anyName/><ref name='anything'/></element>
      </choice>
    </zeroOrMore>
  </define>
"""


def relaxng(cls: type[Element]) -> str:
    """The schema of the documents whose root has this class."""
    made = _Grammar(cls)
    made.define(cls.schema_path, cls, [])
    start = made.element(cls.tag, _ref(cls.schema_path))
    body = "".join(made.defines.values())
    return f"{_HEAD}  <start>{start}</start>\n{body}{_ANYTHING}</grammar>\n"


class _Grammar:
    """The definitions of one schema: one for each path at which a class stands."""

    def __init__(self, root: type[Element]) -> None:
        names: Any = root.schema()
        self.names: PathSchema | None = names
        self.spaces = {**_prefixed(root), **_prefixed(Domain)}
        self.defines: dict[str, str] = {}

    def define(self, path: str, cls: type[Element], above: list[tuple[type[Element], str]]) -> None:
        """Adds the definition of what stands in an element, and of all that is below it."""
        self.defines[path] = ""
        here = [*above, (cls, path)]
        inner = [self._child(path, field, here) for field in cls._child_order]
        if not cls.closed:
            inner += self._kept_elements(path, cls)
        attributes = self._attributes(path, cls)
        text = self._content(cls, bool(inner))
        if len(attributes) > 1:
            # libxml2 tries every order of optional attributes unless it is told that none counts.
            attributes = ["<interleave>", *(f"  {made}" for made in attributes), "</interleave>"]
        lines = "".join(f"    {line}\n" for line in (*attributes, *_repeated(inner), *text))
        lines = lines or "    <empty/>\n"
        self.defines[path] = f"  <define name='{_name(path)}'>\n{lines}  </define>\n"

    def element(self, name: str, inside: str) -> str:
        """A pattern for an element, whose name may have one of the root's prefixes."""
        prefix, colon, local = name.partition(":")
        space = f" ns={quoteattr(self.spaces[prefix])}" if colon and prefix in self.spaces else ""
        shown = local if space else name
        return f"<element name={quoteattr(shown)}{space}>{inside}</element>"

    def _child(self, path: str, field: Field, above: list[tuple[type[Element], str]]) -> str:
        if field.members:
            return self._mixture(path, field, above)
        below = f"{path}/{field.name}"
        if field.role in (Role.VERBATIM, Role.RAW):
            return self.element(field.name, "<ref name='anything'/>")
        if field.role in (Role.LEAF, Role.LEAVES):
            return self.element(field.name, self._leaf(below, field))
        if field.cls is None:
            return self.element(field.name, _optional(self._known_attributes(below)) or "<empty/>")
        # A class inside itself (a chain of backing images) refers to its first place.
        outer = next((at for cls, at in above if cls is field.cls and _ends(at, field.name)), below)
        if outer not in self.defines:
            self.define(outer, field.cls, above)
        return self.element(field.name, _ref(outer))

    def _mixture(self, path: str, field: Field, above: list[tuple[type[Element], str]]) -> str:
        made = []
        for tag, member in field.members.items():
            self.define(f"{path}/{tag}", member, above)
            made.append(self.element(tag, _ref(f"{path}/{tag}")))
        return f"<choice>{''.join(made)}</choice>"

    def _leaf(self, path: str, field: Field) -> str:
        beside = field.beside or {}
        parts = [_attribute(name, kind) for name, (_, kind) in beside.items()]
        parts += [_attribute("unit", None)] if field.kind.scaled else []
        kept = [name for name in self._known_attributes(path) if name not in {"unit", *beside}]
        return "".join(parts) + _optional(kept) + _text(field.kind)

    def _attributes(self, path: str, cls: type[Element]) -> list[str]:
        made = [
            # A hook reads by the other attributes what the declaration alone does not tell.
            _attribute(field.name, None if cls._takes else field.kind, field.required)
            for field in cls._attribute_order
            if not field.name.startswith("xmlns")
        ]
        content = cls._content
        declared = set(cls._attributes)
        if content is not None and content.kind.scaled and "unit" not in declared:
            made.append(_attribute("unit", None))
            declared.add("unit")
        kept = _optional(name for name in self._known_attributes(path) if name not in declared)
        return [*made, kept] if kept else made

    def _known_attributes(self, path: str) -> list[str]:
        known = self.names.attributes(path) if self.names is not None else []
        return [name for name in known if not name.startswith("xmlns")]

    def _kept_elements(self, path: str, cls: type[Element]) -> list[str]:
        known = self.names.elements(path) if self.names is not None else []
        return [
            self.element(name, "<ref name='anything'/>")
            for name in known
            if name not in cls._children
        ]

    @staticmethod
    def _content(cls: type[Element], mixed: bool) -> list[str]:
        if cls._content is None:
            return []
        return ["<text/>"] if mixed else [_text(cls._content.kind)]


def _prefixed(root: type[Element]) -> dict[str, str]:
    return {prefix: uri for uri, prefix in root.namespaces.items()}


def _name(path: str) -> str:
    return path.replace("/", ".").replace(":", "-")


def _ref(path: str) -> str:
    return f"<ref name='{_name(path)}'/>"


def _ends(path: str, name: str) -> bool:
    return path.rpartition("/")[2] == name


def _repeated(elements: list[str]) -> list[str]:
    if not elements:
        return []
    if len(elements) == 1:
        return [f"<zeroOrMore>{elements[0]}</zeroOrMore>"]
    return ["<zeroOrMore><choice>", *(f"  {made}" for made in elements), "</choice></zeroOrMore>"]


def _optional(names: Iterable[str]) -> str:
    return "".join(_attribute(name, None) for name in names)


def _attribute(name: str, kind: Kind[Any] | None, required: bool = False) -> str:
    value = "<text/>" if kind is None else _value(kind)
    made = f"<attribute name={quoteattr(name)}>{value}</attribute>"
    return made if required else f"<optional>{made}</optional>"


def _text(kind: Kind[Any]) -> str:
    # An element without text counts as absent.
    value = _value(kind)
    empty = "<value type='string'></value>"
    return value if value == "<text/>" else f"<choice>{empty}{value}</choice>"


def _value(kind: Kind[Any]) -> str:
    if kind.choices:
        words = "".join(f"<value type='string'>{word}</value>" for word in kind.choices)
        return f"<choice>{words}</choice>"
    if kind.pattern:
        pattern = f"<param name='pattern'>{kind.pattern}</param>"
        return f"<data type='string'>{pattern}</data>"
    return "<text/>"
