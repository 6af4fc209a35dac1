# SPDX-License-Identifier: Apache-2.0
"""Figures as a list-table of reStructuredText."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

Row = Sequence[str]


def median_ms(samples: Sequence[float]) -> float | None:
    """The median of *samples* (seconds) in milliseconds; None when there is none."""
    return statistics.median(samples) * 1000 if samples else None


def milliseconds(value: float | None) -> str:
    """*value* with a sensible number of digits, or a dash."""
    if value is None:
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def ratio(value: float | None, base: float | None) -> str:
    """*value* as a multiple of *base*, or a dash where either is missing."""
    return "-" if value is None or not base else f"{value / base:.2f}"


def list_table(title: str, header: Row, rows: Sequence[Row]) -> str:
    """A table; empty without rows."""
    lines = [f".. list-table:: {title}", "   :header-rows: 1", ""]
    for row in (header, *rows):
        for index, cell in enumerate(row):
            lines.append(f"   {'*' if index == 0 else ' '} - {cell}")
    return "\n".join([*lines, ""])
