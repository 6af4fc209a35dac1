# SPDX-License-Identifier: Apache-2.0
"""Which paths of libvirt's schema no class of ``virloom.model`` has as a field.

What is listed is kept word for word when it is read, and a start that would need it is refused;
what nobody reads is left out, as libvirt does it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.parsers.rst import Directive

from tools.support_table import reread_each_time, table
from virloom.model import DOCUMENTS, document_class
from virloom.model.schema import schema
from virloom.model.schema_paths import PATHS
from virloom.xml.fields import Field, Role

if TYPE_CHECKING:
    from sphinx.application import Sphinx

    from virloom.xml.element import Element

HEAD = ["document", "paths", "kept word for word", "left out, as by libvirt 9"]

#: Amounts that a class reads and writes itself, with the unit that stands beside them.
_AMOUNTS = {
    "domain/devices/redirfilter/usbdev": ("version",),
    "domain/memoryBacking/hugepages/page": ("size", "unit"),
    "domain/cpu/numa/cell": ("memory", "unit"),
    "cpu/numa/cell": ("memory", "unit"),
}


def represented(root: str) -> set[str]:
    """The paths of a document type that are fields, attributes with ``@``.

    Args:
        root: The name of the root element.

    Raises:
        ValueError: There is no such document type.
    """
    cls = document_class(root)
    if cls is None:
        raise ValueError(f"no document has the root element '{root}'")
    found: set[str] = set()
    _declared(cls, root, (cls,), found)
    return found


def missing(root: str) -> list[str]:
    """The paths of the schema that are no field, without those below one that is listed.

    Raises:
        ValueError: There is no such document type.
    """
    found = represented(root)
    names: list[str] = []
    for path, attributes in PATHS[root].items():
        if any(path.startswith(f"{above}/") for above in names):
            continue
        if path not in found:
            names.append(path)
            continue
        names += [
            f"{path}/@{name}" for name in attributes.split() if f"{path}/@{name}" not in found
        ]
    return names


def _declared(
    cls: type[Element], path: str, above: tuple[type[Element], ...], found: set[str]
) -> None:
    found.add(path)
    if cls._content is not None:
        found.add(f"{path}/@unit")
    found |= {f"{path}/@{name}" for name in _AMOUNTS.get(path, ())}
    found |= {f"{path}/@{name}" for name in cls._attributes}
    for name, field in cls._children.items():
        _child(field, f"{path}/{name.rpartition(':')[2]}", above, found)


def _child(field: Field, path: str, above: tuple[type[Element], ...], found: set[str]) -> None:
    found.add(path)
    if field.role in (Role.VERBATIM, Role.RAW):
        return
    if field.kind.amount is not None:
        found.add(f"{path}/@unit")
    found |= {f"{path}/@{beside}" for beside in field.beside or ()}
    inner = field.members.get(path.rpartition("/")[2]) if field.members else field.cls
    # A chain of backing images is in the schema to its second level.
    if inner is not None and above.count(inner) < 2:
        _declared(inner, path, (*above, inner), found)


def rows() -> Iterator[list[str]]:
    """Document type, number of its paths, those kept word for word, those that nobody reads."""
    for root in DOCUMENTS:
        if root in PATHS:
            count = sum(1 + len(names.split()) for names in PATHS[root].values())
            names = missing(root)
            over = [name for name in names if schema(root).passes_over(name)]
            kept = [name for name in names if name not in over]
            yield [root, str(count), ", ".join(kept) or "none", ", ".join(over) or "none"]


class UnrepresentedPaths(Directive):
    """The table of :func:`rows`."""

    def run(self) -> list[nodes.Node]:
        """The nodes that take the directive's place."""
        reread_each_time(self)
        return [table([HEAD, *rows()])]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("unrepresented-paths", UnrepresentedPaths)
    return {"parallel_read_safe": True}
