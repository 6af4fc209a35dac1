# SPDX-License-Identifier: Apache-2.0
"""Name spaces of a root: they are declared on it where something of theirs is in the document.

Whatever prefix a document gave them, they are written with that of :attr:`Element.namespaces`.
"""

from __future__ import annotations

from virloom.xml.element import Element, holds


def declarations(root: Element) -> dict[str, str | None]:
    """The ``xmlns_PREFIX`` fields of *root* that are to change: a name space's URI, or None."""
    values = root.__dict__
    used = {
        field.name.partition(":")[0]
        for field in root._child_order
        if ":" in field.name and field.python in values and holds(values[field.python])
    }
    wanted = {
        f"xmlns_{prefix}": space if prefix in used else None
        for space, prefix in root.namespaces.items()
    }
    return {name: space for name, space in wanted.items() if values.get(name) != space}
