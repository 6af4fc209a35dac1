# SPDX-License-Identifier: Apache-2.0
"""Reads what a command needs from a document, by a short path of tags."""

from __future__ import annotations

import re
from collections.abc import Iterator

from virloom.cli.shell.failure import CommandFailed
from virloom.errors import VirloomError
from virloom.xml import Node, parse_node

_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")


def parsed(text: str) -> Node:
    """The root of a document that a driver gave."""
    return parse_node(text)


def parsed_file(text: str, path: str) -> Node:
    """The elements of a file, one document after another, below one root.

    Raises:
        CommandFailed: They are not well-formed.
    """
    try:
        return parse_node(f"<container>{_DECLARATION.sub('', text)}</container>")
    except VirloomError as error:
        raise CommandFailed(f"{path}: {error.message}") from None


def below(node: Node, path: str) -> Iterator[Node]:
    """The elements that a path of tags (``devices/disk``) leads to."""
    tag, _, rest = path.partition("/")
    for child in node.elements():
        if child.tag == tag:
            if rest:
                yield from below(child, rest)
            else:
                yield child


def first(node: Node, path: str) -> Node | None:
    """The first of them."""
    return next(below(node, path), None)


def attribute(node: Node, path: str, name: str) -> str | None:
    """The attribute *name* of the first element at *path* (of *node* itself for an empty one)."""
    found = first(node, path) if path else node
    return None if found is None else found.attributes.get(name)


def content(node: Node, path: str) -> str | None:
    """The text of the first element at *path*."""
    found = first(node, path)
    return None if found is None else found.text
