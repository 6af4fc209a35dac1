# SPDX-License-Identifier: Apache-2.0
"""Names as a tree, drawn with lines, as ``--tree`` prints them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence


def draw(parents: Mapping[str, str | None]) -> str:
    """The tree, a line for each name under its parent's, in the mapping's order.

    What has no parent, or one that is not among the names, is a root.
    """
    children: dict[str | None, list[str]] = defaultdict(list)
    for name, parent in parents.items():
        children[parent if parent in parents else None].append(name)
    lines: list[str] = []
    for root in children[None]:
        lines.append(root)
        lines += _below(children, root, "  ") if children[root] else [""]
    return "\n".join(lines)


def _below(children: Mapping[str | None, Sequence[str]], parent: str, indent: str) -> Iterator[str]:
    """The lines of what hangs on *parent*."""
    yield indent + "|"
    for name in children[parent]:
        is_last = name == children[parent][-1]
        yield f"{indent}+- {name}"
        if children[name]:
            yield from _below(children, name, indent + ("    " if is_last else "|   "))
        elif is_last:
            # Air after a branch that ends.
            yield indent + "  "
