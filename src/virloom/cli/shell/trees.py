# SPDX-License-Identifier: Apache-2.0
"""Documents as trees that keep every space, so that a part of one prints as it stood there."""

from __future__ import annotations

from xml.parsers import expat

from virloom.cli.shell.nodes import below
from virloom.errors import XmlDetail
from virloom.xml import Node


def read_tree(text: str) -> Node:
    """The tree of a document, white space between the elements included.

    Raises:
        XmlDetail: It is not well-formed, or has a document type.
    """
    top = Node("")
    stack = [top]
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start(tag: str, attributes: dict[str, str]) -> None:
        node = Node(tag, attributes)
        stack[-1].children.append(node)
        stack.append(node)

    def doctype(*_: object) -> None:
        raise XmlDetail("a document type is not read")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: stack.pop()
    parser.CharacterDataHandler = lambda data: stack[-1].children.append(data)
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise XmlDetail(expat.ErrorString(error.code)) from error
    return top.elements()[0]


def devices(document: str, kind: str) -> list[Node]:
    """The devices of a kind in a domain's document."""
    return list(below(read_tree(document), f"devices/{kind}"))
