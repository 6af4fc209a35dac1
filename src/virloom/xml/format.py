# SPDX-License-Identifier: Apache-2.0
"""Writes element objects in libvirt's layout: two blanks per level, single quotes, fixed order."""

from __future__ import annotations

from enum import IntFlag
from typing import Any

from virloom.xml.element import Element, Shape
from virloom.xml.escape import escape
from virloom.xml.fields import SECRET_NAMES, Field, Role
from virloom.xml.kinds import Kind

# Bound here: a member of an enum is looked up at every use.
_LEAF, _LEAVES, _FLAG, _CHILD = Role.LEAF, Role.LEAVES, Role.FLAG, Role.CHILD
_GROUP, _CHILDREN, _MIXTURE = Role.GROUP, Role.CHILDREN, Role.MIXTURE
_VERBATIM = Role.VERBATIM

#: Shapes of one class that are kept; documents of one kind have a few.
_MOST_SHAPES = 64


class FormatFlags(IntFlag):
    """What is to be written; the first four have the values of libvirt's ``virDomainXMLFlags``."""

    NONE = 0
    SECURE = 1
    """Passwords too. Never cache what this gave."""
    INACTIVE = 2
    """The persistent configuration: nothing that only a running guest has."""
    UPDATE_CPU = 4
    """The CPU as it is on this host (done by the driver, before formatting)."""
    MIGRATABLE = 8
    """For another host, possibly with an older libvirt; with passwords, as libvirt does it."""
    STATUS = 1 << 16
    """For our own status files: live and secret parts alike."""


def format_document(element: Element, flags: int = 0, *, indent: str = "") -> str:
    """The text of a document or of a part of one, ending in a line end.

    Args:
        element: A root, of a class with a ``tag``.
        flags: See :class:`FormatFlags`.
        indent: Blanks before each line.
    """
    writer = _Writer(element.implied(_consistent(flags)))
    writer.write(element, element.tag, indent, False)
    return "".join(writer.out)


def may_show_secrets(text: str) -> bool:
    """Whether a document that was formatted with secrets has any; never False where it has."""
    return any(f" {name}='" in text for name in SECRET_NAMES)


def _consistent(flags: int) -> FormatFlags:
    wanted = FormatFlags(flags)
    if wanted & FormatFlags.STATUS:
        wanted |= FormatFlags.SECURE
    if wanted & FormatFlags.MIGRATABLE:
        # Another host gives ports, terminals and aliases of its own, and needs the passwords.
        wanted |= FormatFlags.INACTIVE | FormatFlags.SECURE
    return wanted


class _Writer:
    """Writes one document.

    Attributes:
        out: Its pieces so far.
    """

    __slots__ = ("_flags", "_number", "out")

    def __init__(self, flags: FormatFlags) -> None:
        self.out: list[str] = []
        self._flags = flags
        self._number = int(flags)  # enums are slow keys

    def write(self, element: Element, tag: str, indent: str, optional: bool) -> None:
        """Adds the element's lines; nothing for an ``optional`` one that holds nothing."""
        if element._adapts:
            element = element.adapted(self._flags)
        values = element.__dict__
        shape = element._shapes.get((self._number, *values))
        if shape is None:
            shape = _shape_of(element, self._flags, self._number)
        if optional and shape.bare:
            return
        head = self._head(element, values, shape)
        content = element._content
        text = ""
        if content is not None:
            value = values.get(content.python)
            if value is not None:
                text, unit = _text(content.kind, value)
                head += unit
        out = self.out
        start = len(out)
        if shape.nests:
            out.append("")
            self._write_children(values, shape, indent + "  ")
            if len(out) > start + 1:
                out[start] = f"{indent}<{tag}{head}>{text}\n"
                out.append(f"{indent}</{tag}>\n")
                return
            out.pop()
        if text:
            out.append(f"{indent}<{tag}{head}>{text}</{tag}>\n")
        elif head or not optional:
            out.append(_empty(element.empty, indent, tag, head))

    def _head(self, element: Element, values: dict[str, Any], shape: Shape) -> str:
        head = ""
        if element._shows:
            for name, text in element.attribute_texts(self._flags):
                head += f" {name}='{escape(text)}'"
        else:
            for field in shape.attributes:
                value = values.get(field.python, field.default)
                if value is not None:
                    kind = field.kind
                    text = value if kind.show is None else kind.show(value)
                    head += f" {field.name}='{text if kind.plain else escape(text)}'"
        extra = values.get("_extra")
        if extra is not None and extra.attributes:
            kept = [f" {name}='{escape(text)}'" for name, text in extra.attributes.items()]
            head += "".join(kept)
        return head

    def _write_children(self, values: dict[str, Any], shape: Shape, indent: str) -> None:
        out = self.out
        for field in shape.children:
            value = values.get(field.python, field.default)
            if value is None:
                continue
            role = field.role
            if role is _LEAF:
                out.append(_leaf(field, value, values, indent))
            elif role is _CHILD:
                self.write(value, field.name, indent, False)
            elif role is _GROUP:
                self.write(value, field.name, indent, not value.always)
            elif role is _CHILDREN:
                for item in value:
                    self.write(item, field.name, indent, False)
            elif role is _MIXTURE:
                for item in value:
                    self.write(item, item.tag, indent, False)
            elif role is _FLAG:
                if value:
                    out.append(f"{indent}<{field.name}/>\n")
            elif role is _LEAVES:
                out.extend([_leaf(field, item, values, indent) for item in value])
            elif role is _VERBATIM:
                for node in value:
                    node.write(out, indent)
            else:
                out.append(f"{indent}{value.dump(indent).lstrip()}\n")
        extra = values.get("_extra")
        if extra is not None:
            for node in extra.children:
                node.write(out, indent)


def _shape_of(element: Element, flags: FormatFlags, number: int) -> Shape:
    """The fields to look at in elements that hold what this one does; kept for the next one."""
    values = element.__dict__
    held = [field for field in element._fields.values() if _may_show(field, values, flags)]
    attributes = tuple([field for field in element._attribute_order if field in held])
    children = tuple([field for field in element._child_order if field in held])
    nests = bool(children) or "_extra" in values
    bare = not (nests or attributes or element._shows or element._content)
    shape = Shape(attributes, children, nests=nests, bare=bare)
    if len(element._shapes) >= _MOST_SHAPES:  # somebody's documents are all different
        element._shapes.clear()
    element._shapes[(number, *values)] = shape
    return shape


def _may_show(field: Field, values: dict[str, Any], flags: FormatFlags) -> bool:
    if field.python not in values and (field.default is None or field.role is _FLAG):
        return False
    if field.live and flags & FormatFlags.INACTIVE:
        return False
    return not field.secret or bool(flags & FormatFlags.SECURE)


def _empty(shape: str, indent: str, tag: str, head: str) -> str:
    if shape == "lines":
        return f"{indent}<{tag}{head}>\n{indent}</{tag}>\n"
    return f"{indent}<{tag}{head}></{tag}>\n" if shape else f"{indent}<{tag}{head}/>\n"


def _leaf(field: Field, value: Any, values: dict[str, Any], indent: str) -> str:
    kind = field.kind
    head = ""
    if field.beside:
        for name, (python, beside) in field.beside.items():
            other = values.get(python)
            if other is not None:
                head += f" {name}='{escape(other) if beside.show is None else beside.show(other)}'"
    text, unit = _text(kind, value)
    return f"{indent}<{field.name}{head}{unit}>{text}</{field.name}>\n"


def _text(kind: Kind[Any], value: Any) -> tuple[str, str]:
    """The escaped text of an element, and its ``unit`` attribute for amounts."""
    if kind.amount is not None:
        text, unit = kind.amount(value)
        return text, f" unit='{unit}'"
    text = value if kind.show is None else kind.show(value)
    return (text if kind.plain else escape(text)), ""
