# SPDX-License-Identifier: Apache-2.0
"""How much a document may ask of us before it is refused."""

from __future__ import annotations


class Limits:
    """Upper bounds of one document; each excess is an :class:`~virloom.errors.XmlError`.

    The size is libvirt's longest string on the wire (``REMOTE_STRING_MAX``, 4 MiB); the schema
    itself is 14 levels deep, the rest of the depth is for ``<metadata>``.

    Args:
        size: Bytes of the whole document in UTF-8.
        depth: Nested elements.
        elements: Elements, comments and the like of the whole document; a guest with a thousand
            devices has some ten thousand, and the reader holds up everything else meanwhile.
        attributes: Attributes of one element.
        text: Characters of one attribute value or of one element's text.
    """

    __slots__ = ("attributes", "depth", "elements", "size", "text")

    def __init__(
        self,
        *,
        size: int = 4 * 1024 * 1024,
        depth: int = 128,
        elements: int = 32_768,
        attributes: int = 256,
        text: int = 1024 * 1024,
    ) -> None:
        self.size = size
        self.depth = depth
        self.elements = elements
        self.attributes = attributes
        self.text = text
