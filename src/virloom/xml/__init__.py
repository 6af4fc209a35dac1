# SPDX-License-Identifier: Apache-2.0
"""libvirt's XML: declared fields, a bounded reader, and a writer of libvirt's layout."""

from __future__ import annotations

from virloom.xml.element import Element, Extra, holds
from virloom.xml.format import FormatFlags, format_document, may_show_secrets
from virloom.xml.limits import Limits
from virloom.xml.node import Node
from virloom.xml.parse import parse_document, parse_node

__all__ = [
    "Element",
    "Extra",
    "FormatFlags",
    "Limits",
    "Node",
    "format_document",
    "holds",
    "may_show_secrets",
    "parse_document",
    "parse_node",
]
