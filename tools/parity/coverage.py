# SPDX-License-Identifier: Apache-2.0
"""Which paths of libvirt's schema documents touch."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "data" / "protocol" / "rng-stats.json"

#: Paths that no QEMU guest has (other hypervisors), one a line with its reason.
FOREIGN = ROOT / "tests" / "parity" / "not-qemu.txt"


@cache
def schema_paths(kind: str = "domain") -> frozenset[str]:
    """Elements and attributes (``…/@name``) of a document type."""
    types = json.loads(TABLE.read_text())["types"]
    table = next(entry for entry in types if entry["type"] == kind)
    attributes = {entry["path"] for entry in table["attribute_paths"]}
    return frozenset({*table["element_paths"], *attributes})


@cache
def foreign_paths() -> frozenset[str]:
    """Paths of the schema that QEMU guests do not have."""
    if not FOREIGN.exists():
        return frozenset()
    lines = [line.partition("#")[0].strip() for line in FOREIGN.read_text().splitlines()]
    prefixes = tuple(line for line in lines if line)
    return frozenset(
        path
        for path in schema_paths()
        if any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)
    )


def touched(text: str) -> frozenset[str]:
    """The schema's paths that a document uses; nothing for one that is malformed."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return frozenset()
    return frozenset(_walk(root, "")) & schema_paths()


def _walk(element: ElementTree.Element, above: str) -> Iterator[str]:
    name = element.tag.rpartition("}")[2]
    path = f"{above}/{name}" if above else name
    while "backingStore/backingStore/backingStore" in path:
        path = path.replace("backingStore/backingStore", "backingStore", 1)
    if above.startswith("domain/metadata"):
        path = f"{above}/*"
    yield path
    for attribute in element.attrib:
        yield f"{path}/@{'*' if above.startswith('domain/metadata') else attribute}"
    for child in element:
        yield from _walk(child, path)


def area(path: str) -> str:
    """The part of a document that a path belongs to: a device, or an element of the domain."""
    parts = path.split("/")
    return "/".join(parts[: 3 if parts[1:2] == ["devices"] else 2])
