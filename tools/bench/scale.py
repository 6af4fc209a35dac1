# SPDX-License-Identifier: Apache-2.0
"""A hundred paused microvm guests from one process."""

from __future__ import annotations

from pathlib import Path

from tools.bench import guests, side
from tools.bench.side import Side, SideError
from tools.bench.table import list_table, milliseconds, ratio

GUESTS = 100
MEMORY_GOAL_MB = 0.5
"""Of ours, per running guest."""


def many(directory: Path, _count: int) -> str:
    """All up, listed, statistics in one call, all gone: time and memory, once per home."""
    homes = {
        "virloom": side.virloom(directory, directory / "many-virloom"),
        "libvirt embed": side.libvirt(directory, "embed", directory / "many-libvirt"),
    }
    figures = {name: _measure(name, home) for name, home in homes.items()}
    ours, theirs = figures["virloom"], figures["libvirt embed"]
    rows = [
        [
            f"{step} (ms)",
            milliseconds(_scaled(ours, step)),
            milliseconds(_scaled(theirs, step)),
            ratio(ours.get(step), theirs.get(step)),
        ]
        for step in ("up", "listed", "statistics", "gone")
    ]
    rows.append(["memory per guest (MB; goal 0.5)", _megabytes(ours), _megabytes(theirs), ""])
    header = ["step", "Virloom", "libvirt embed", "ratio"]
    return list_table(f"{GUESTS} paused microvm guests from one process", header, rows)


def _measure(name: str, home: Side) -> dict[str, float]:
    with home:
        try:
            answer: dict[str, float] = home.ask("many", documents=guests.many(GUESTS, "one"))
        except SideError as error:
            print(f"{GUESTS} guests, {name}: {error}")
            return {}
        return answer


def _scaled(figures: dict[str, float], step: str) -> float | None:
    return figures[step] * 1000 if step in figures else None


def _megabytes(figures: dict[str, float]) -> str:
    return f"{figures['memory'] / GUESTS / 1e6:.2f}" if "memory" in figures else "-"
