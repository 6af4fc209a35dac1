# SPDX-License-Identifier: Apache-2.0
"""``<metadata>``: elements of other people, one for each name space.

An application gives and gets its element without prefixes; in the document every element of it
carries the application's prefix, and its root declares the name space (as with libvirt's
``virDomainSetMetadata``).
"""

from __future__ import annotations

from collections.abc import Callable

from virloom.errors import InternalError
from virloom.xml import Node, parse_node


def get_metadata(metadata: Node | None, uri: str) -> str | None:
    """The element of name space *uri* as text, without its prefix; None if there is none."""
    found = _find(metadata, uri)
    if found is None:
        return None
    node, prefix = found
    plain = node.copy()
    plain.attributes.pop(_declaration(prefix), None)
    if prefix:
        _rename(plain, lambda tag: tag.removeprefix(f"{prefix}:"))
    return plain.dump()


def set_metadata(metadata: Node | None, uri: str, prefix: str, text: str | None) -> Node | None:
    """*metadata* with the element of name space *uri* replaced, or removed if *text* is None.

    Raises:
        XmlDetail: *text* is not one well-formed element.
        InternalError: *prefix* is no XML name.
    """
    changed = metadata.copy() if metadata is not None else Node("metadata")
    found = _find(changed, uri)
    if found is not None:
        changed.children.remove(found[0])
    if text is not None:
        node = _parsed(prefix, uri, text)
        changed.children = [*changed.elements(), node]
    return changed if changed.elements() or metadata is not None else None


def _find(metadata: Node | None, uri: str) -> tuple[Node, str] | None:
    """The child element of a name space and its prefix, empty for a default name space."""
    for node in metadata.elements() if metadata is not None else ():
        prefix, colon, _ = node.tag.partition(":")
        prefix = prefix if colon else ""
        if node.attributes.get(_declaration(prefix)) == uri:
            return node, prefix
    return None


def _declaration(prefix: str) -> str:
    return f"xmlns:{prefix}" if prefix else "xmlns"


def _rename(node: Node, change: Callable[[str], str]) -> None:
    node.tag = change(node.tag)
    for child in node.elements():
        _rename(child, change)


def _parsed(prefix: str, uri: str, text: str) -> Node:
    """The element in *text*, in the application's name space."""
    node = parse_node(text)
    if not prefix.isidentifier():
        raise InternalError(f"'{prefix}' cannot be the prefix of a new XML name space")
    if "xmlns" not in node.attributes:
        _rename(node, lambda tag: tag if ":" in tag else f"{prefix}:{tag}")
        node.attributes = {f"xmlns:{prefix}": uri, **node.attributes}
    return node
