# SPDX-License-Identifier: Apache-2.0
"""Documents on the command line: read from files, printed whole or by XPath, edited."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from virloom.cli.shell.arguments import Arguments
from virloom.cli.shell.failure import CommandFailed
from virloom.cli.shell.session import Session

MAXIMUM_BYTES = 10 * 1024 * 1024
"""Of a document in a file; virsh's own bound."""


def read_document(path: str) -> str:
    """The text of a file.

    Raises:
        CommandFailed: It cannot be read, is too long, or is no UTF-8.
    """
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise CommandFailed(f"'{path}' is not UTF-8: {error.reason}") from error


def read_bytes(path: str) -> bytes:
    """The content of a file.

    Raises:
        CommandFailed: It cannot be read, or is too long.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        # virsh opens a directory, and only then finds that it cannot be read.
        deed = "read" if isinstance(error, IsADirectoryError) else "open"
        raise CommandFailed(f"Failed to {deed} file '{path}': {error.strerror}") from error
    if len(data) > MAXIMUM_BYTES:
        raise CommandFailed(f"Failed to read file '{path}': {os.strerror(75)}")
    return data


def print_document(session: Session, arguments: Arguments, text: str) -> None:
    """Prints a document, or the parts of it that ``--xpath`` chooses, ``--wrap`` in one element.

    Raises:
        CommandFailed: The expression is wrong or does not choose nodes, or ``lxml`` is missing.
    """
    expression = arguments.get("xpath", empty=True)
    if expression == "":
        raise CommandFailed("")
    if expression is not None:
        text = chosen(text, expression, wrap="wrap" in arguments)
    session.output.document(text)


def chosen(text: str, expression: str, *, wrap: bool) -> str:
    """The nodes of a document that an XPath expression chooses."""
    try:
        from lxml import etree  # noqa: TID251 - XPath of the whole language; an extra
    except ImportError:
        raise CommandFailed("XPath needs the Python package lxml, which is not installed") from None
    try:
        # Without the white space between elements each node gets an indentation of its own.
        parser = etree.XMLParser(remove_blank_text=True, resolve_entities=False)
        found: Any = etree.fromstring(text, parser).getroottree().xpath(expression)
    except (etree.XPathError, etree.XMLSyntaxError) as error:
        raise CommandFailed(f"Invalid XPath expression '{expression}': {error}") from error
    if not isinstance(found, list):
        raise CommandFailed(f"internal error: Incorrect xpath '{expression}'")
    if wrap:
        return _wrapped(found)
    return "".join(_text(node) + "\n" for node in found)


def _wrapped(found: list[Any]) -> str:
    """The nodes within one element, attributes as its own."""
    from lxml import etree  # noqa: TID251 - as above

    holder = etree.Element("nodes")
    for node in found:
        if not isinstance(node, str):
            copied = copy.deepcopy(node)
            copied.tail = None
            holder.append(copied)
        elif node.is_attribute:  # type: ignore[attr-defined] # what lxml's XPath gives
            holder.set(node.attrname, node)  # type: ignore[attr-defined]
        else:
            holder.text = (holder.text or "") + node
    text: str = etree.tostring(holder, encoding=str, pretty_print=True)
    return text.removesuffix("\n") + "\n"


def _text(node: Any) -> str:
    from lxml import etree  # noqa: TID251 - as above

    if not isinstance(node, str):
        text: str = etree.tostring(node, encoding=str, with_tail=False, pretty_print=True)
        return text.removesuffix("\n")
    if node.is_attribute:  # type: ignore[attr-defined]
        value = escape(node, {'"': "&quot;"})
        return f' {node.attrname}="{value}"'  # type: ignore[attr-defined]
    return escape(node)
