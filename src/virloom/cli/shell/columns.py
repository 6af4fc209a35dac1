# SPDX-License-Identifier: Apache-2.0
"""Tables for a terminal, in virsh's layout."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def render(headers: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> str:
    """The table as text: cells padded to their column's width, a line under the headers."""
    shown = [[printable(cell) for cell in row] for row in rows]
    lines = [list(headers), *shown] if headers is not None else shown
    if not lines:
        return ""
    widths = [max(width(line[at]) for line in lines) for at in range(len(lines[0]))]
    text = [_line(line, widths) for line in lines]
    if headers is not None:
        text.insert(1, "-" * (sum(widths) + 3 * len(widths)))
    return "".join(line + "\n" for line in text)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        f" {cell}{' ' * (room - width(cell))}  "
        for cell, room in zip(cells[:-1], widths[:-1], strict=True)
    ]
    return "".join(padded) + f" {cells[-1]}"


def width(text: str) -> int:
    """The columns that a text takes: two for a wide character, none for one that combines."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def printable(text: str) -> str:
    """The text with what a terminal would act on as ``\\xNN``."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else "".join(f"\\x{byte:02x}" for byte in c.encode()) for c in text
    )
