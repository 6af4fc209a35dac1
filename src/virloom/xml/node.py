# SPDX-License-Identifier: Apache-2.0
"""Elements that are kept word for word, and their two layouts."""

from __future__ import annotations

from collections.abc import Mapping

from virloom.xml.escape import escape

_DOUBLE_QUOTED = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_IN_ATTRIBUTE = {**_DOUBLE_QUOTED, ord('"'): "&quot;", 9: "&#9;", 10: "&#10;", 13: "&#13;"}
_IN_TEXT = {**_DOUBLE_QUOTED, 13: "&#13;"}


class Markup(str):
    """A comment, CDATA section or processing instruction, with its own delimiters."""

    __slots__ = ()

    @property
    def is_text(self) -> bool:
        """Whether it is character data (CDATA), beside which layout must not change."""
        return self.startswith("<![CDATA[")

    def content(self) -> str:
        """The characters of a CDATA section; nothing for the others."""
        return self[9:-3] if self.is_text else ""


class Node:
    """An element nobody interprets: tag and attributes with their prefixes, texts and elements."""

    __slots__ = ("attributes", "children", "tag")

    def __init__(
        self,
        tag: str,
        attributes: dict[str, str] | None = None,
        children: list[Node | str] | None = None,
    ) -> None:
        self.tag = tag
        self.attributes: dict[str, str] = attributes if attributes is not None else {}
        self.children: list[Node | str] = children if children is not None else []

    def __repr__(self) -> str:
        return f"Node({self.tag!r}, {self.attributes!r}, {self.children!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return (
            self.tag == other.tag
            and self.attributes == other.attributes
            and self.children == other.children
        )

    __hash__ = None  # type: ignore[assignment] # mutable, compared by content

    def copy(self) -> Node:
        """An independent copy of the whole tree."""
        children = [c if isinstance(c, str) else c.copy() for c in self.children]
        return Node(self.tag, dict(self.attributes), children)

    def elements(self) -> list[Node]:
        """The child elements, without the texts."""
        return [child for child in self.children if not isinstance(child, str)]

    @property
    def text(self) -> str:
        """The text of the element and of everything below it."""
        return "".join([_characters(child) for child in self.children])

    def write(self, out: list[str], indent: str) -> None:
        """Appends the lines as libvirt writes its own elements (single quotes)."""
        head = "".join([f" {name}='{escape(text)}'" for name, text in self.attributes.items()])
        inner = self.elements()
        if inner:
            out.append(f"{indent}<{self.tag}{head}>\n")
            for child in inner:
                child.write(out, indent + "  ")
            out.append(f"{indent}</{self.tag}>\n")
        elif text := self.text:
            out.append(f"{indent}<{self.tag}{head}>{escape(text)}</{self.tag}>\n")
        else:
            out.append(f"{indent}<{self.tag}{head}/>\n")

    def dump(self, indent: str = "") -> str:
        """The text as libxml2 lays it out (``<metadata>`` keeps that form), without a line end."""
        out: list[str] = [indent]
        self._dump(out, indent, pretty=True)
        return "".join(out)

    def _dump(self, out: list[str], indent: str, *, pretty: bool) -> None:
        head = "".join(
            [f' {name}="{text.translate(_IN_ATTRIBUTE)}"' for name, text in self._ordered()]
        )
        if not self.children:
            out.append(f"<{self.tag}{head}/>")
            return
        out.append(f"<{self.tag}{head}>")
        # libxml2 indents only below elements that hold no text at all.
        pretty = pretty and not any(map(is_text, self.children))
        deeper = indent + "  "
        for child in self.children:
            if pretty:
                out.append(f"\n{deeper}")
            if isinstance(child, Node):
                child._dump(out, deeper, pretty=pretty)
            else:
                out.append(child if isinstance(child, Markup) else child.translate(_IN_TEXT))
        if pretty:
            out.append(f"\n{indent}")
        out.append(f"</{self.tag}>")

    def _ordered(self) -> list[tuple[str, str]]:
        """Name space declarations first, as libxml2 writes them."""
        items = list(self.attributes.items())
        spaces = [i for i in items if i[0] == "xmlns" or i[0].startswith("xmlns:")]
        return spaces + [i for i in items if i not in spaces] if spaces else items


def is_text(child: Node | str) -> bool:
    """Whether it is character data, and not an element or a comment."""
    return child.is_text if isinstance(child, Markup) else isinstance(child, str)


def _characters(child: Node | str) -> str:
    if isinstance(child, Node):
        return child.text
    return child.content() if isinstance(child, Markup) else child


def declare_prefixes(root: Node, outer: Mapping[str, str]) -> None:
    """Gives a tree that leaves its document the declarations that it used of the outside.

    Args:
        root: Gets the ``xmlns:`` attributes that are missing.
        outer: The declarations around it, by attribute name.
    """
    missing: dict[str, None] = {}
    _undeclared(root, frozenset(), missing)
    for name in missing:
        if name in outer:
            root.attributes[name] = outer[name]


def _undeclared(node: Node, declared: frozenset[str], missing: dict[str, None]) -> None:
    here = [name for name in node.attributes if name.startswith("xmlns")]
    if here:
        declared = declared.union(here)
    for name in (node.tag, *node.attributes):
        prefix, colon, _ = name.partition(":")
        if colon and prefix not in ("xml", "xmlns") and f"xmlns:{prefix}" not in declared:
            missing[f"xmlns:{prefix}"] = None
    for child in node.elements():
        _undeclared(child, declared, missing)


def keep_one_per_namespace(root: Node) -> list[str]:
    """Leaves the first child element of each name space, and nothing else.

    libvirt does so with ``<metadata>``: an application asks for its element by name space.

    Returns:
        What was left out, by tag.
    """
    kept: list[Node | str] = []
    lost: list[str] = []
    seen: set[str] = set()
    for child in root.children:
        if isinstance(child, Node):
            uri = namespace(child, root)
            if uri and uri not in seen:
                seen.add(uri)
                kept.append(child)
            else:
                lost.append(f"<{child.tag[:64]}>")
    root.children = kept
    return lost


def namespace(node: Node, parent: Node) -> str | None:
    """The name space of an element that is declared by itself or by its parent."""
    prefix, colon, _ = node.tag.partition(":")
    name = f"xmlns:{prefix}" if colon else "xmlns"
    return node.attributes.get(name) or parent.attributes.get(name)
