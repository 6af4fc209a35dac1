# SPDX-License-Identifier: Apache-2.0
"""Writes element objects in libvirt's layout: two blanks per level, single quotes, fixed order."""

from __future__ import annotations

from enum import IntFlag
from typing import Any

from virloom.xml.element import Element
from virloom.xml.escape import escape
from virloom.xml.fields import SECRET_NAMES, Field, Role
from virloom.xml.kinds import Kind


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
    out: list[str] = []
    _write(element, element.tag, indent, out, element.implied(_consistent(flags)), False)
    return "".join(out)


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


def _write(
    element: Element, tag: str, indent: str, out: list[str], flags: FormatFlags, optional: bool
) -> None:
    """Appends the element's lines; nothing for an ``optional`` one that holds nothing."""
    if element._adapts:
        element = element.adapted(flags)
    values = element.__dict__
    head = _head(element, values, flags)
    content = element._content
    text = ""
    if content is not None:
        value = values.get(content.python)
        if value is not None:
            text, unit = _text(content.kind, value)
            head += unit
    start = len(out)
    out.append("")
    if element._child_order or "_extra" in values:
        _write_children(element, values, indent + "  ", out, flags)
    if len(out) > start + 1:
        out[start] = f"{indent}<{tag}{head}>{text}\n"
        out.append(f"{indent}</{tag}>\n")
    elif text:
        out[start] = f"{indent}<{tag}{head}>{text}</{tag}>\n"
    elif head or not optional:
        out[start] = _empty(element.empty, indent, tag, head)
    else:
        out.pop()


def _empty(shape: str, indent: str, tag: str, head: str) -> str:
    if shape == "lines":
        return f"{indent}<{tag}{head}>\n{indent}</{tag}>\n"
    return f"{indent}<{tag}{head}></{tag}>\n" if shape else f"{indent}<{tag}{head}/>\n"


def _head(element: Element, values: dict[str, Any], flags: FormatFlags) -> str:
    if element._shows:
        head = "".join(
            [f" {name}='{escape(text)}'" for name, text in element.attribute_texts(flags)]
        )
    else:
        head = "".join(
            [
                f" {field.name}='{_shown(field, value)}'"
                for field in element._attribute_order
                if (value := values.get(field.python, field.default)) is not None
                and not (field.live and flags & FormatFlags.INACTIVE)
                and not (field.secret and not flags & FormatFlags.SECURE)
            ]
        )
    extra = values.get("_extra")
    if extra is not None and extra.attributes:
        kept = [f" {name}='{escape(text)}'" for name, text in extra.attributes.items()]
        head += "".join(kept)
    return head


def _shown(field: Field, value: Any) -> str:
    kind = field.kind
    text: str = value if kind.show is None else kind.show(value)
    return text if kind.plain else escape(text)


def _write_children(
    element: Element, values: dict[str, Any], indent: str, out: list[str], flags: FormatFlags
) -> None:
    for field in element._child_order:
        value = values.get(field.python, field.default)
        if value is None or (value is False and field.role is Role.FLAG):
            continue
        if field.live and flags & FormatFlags.INACTIVE:
            continue
        role = field.role
        if role is Role.LEAF:
            out.append(_leaf(field, value, values, indent))
        elif role is Role.CHILD:
            _write(value, field.name, indent, out, flags, False)
        elif role is Role.GROUP:
            _write(value, field.name, indent, out, flags, not value.always)
        elif role is Role.CHILDREN:
            for item in value:
                _write(item, field.name, indent, out, flags, False)
        elif role is Role.MIXTURE:
            for item in value:
                _write(item, item.tag, indent, out, flags, False)
        elif role is Role.FLAG:
            out.append(f"{indent}<{field.name}/>\n")
        elif role is Role.LEAVES:
            out.extend([_leaf(field, item, values, indent) for item in value])
        elif role is Role.VERBATIM:
            for node in value:
                node.write(out, indent)
        else:
            out.append(f"{indent}{value.dump(indent).lstrip()}\n")
    extra = values.get("_extra")
    if extra is not None:
        for node in extra.children:
            node.write(out, indent)


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
