# SPDX-License-Identifier: Apache-2.0
"""A hundred paused microvm guests from one process.

Memory is what the second half of them adds: the first half also fills what start-up has freed.
"""

from __future__ import annotations

from pathlib import Path

from tools.bench import guests, side
from tools.bench.side import Side, SideError
from tools.bench.table import list_table, milliseconds, ratio

GUESTS = 100
MEMORY_GOAL_KB = 500
"""Of ours, per running guest."""


def many(directory: Path, _count: int) -> str:
    """All up, listed, statistics in one call, all gone: time and memory, once per home."""
    ours = _measure("virloom", side.virloom(directory, directory / "many-v"))
    theirs = _measure("embed", side.libvirt(directory, "embed", directory / "many-l"))
    floor = _floor(directory)
    rows = [
        [
            f"{step} (ms)",
            milliseconds(_scaled(floor, step)),
            milliseconds(_scaled(ours, step)),
            milliseconds(_scaled(theirs, step)),
            ratio(ours.get(step), floor.get(step)),
            ratio(ours.get(step), theirs.get(step)),
        ]
        for step in ("up", "listed", "statistics", "gone")
    ]
    goal = f"memory per guest (kB; goal {MEMORY_GOAL_KB})"
    rows.append([goal, "-", _kilobytes(ours), _kilobytes(theirs), "-", "-"])
    header = ["step", "bare QEMU", "Virloom", "libvirt embed", "Virloom / bare",
              "Virloom / libvirt embed"]  # fmt: skip
    return list_table(f"{GUESTS} paused microvm guests from one process", header, rows)


def _measure(name: str, home: Side) -> dict[str, float]:
    with home:
        try:
            answer: dict[str, float] = home.ask("many", documents=guests.many(GUESTS, "one"))
        except SideError as error:
            print(f"{GUESTS} guests, {name}: {error}")
            return {}
        return answer


def _floor(directory: Path) -> dict[str, float]:
    with (
        side.virloom(directory, directory / "many-argv") as ours,
        side.bare(directory) as bare,
    ):
        try:
            (document,) = guests.many(1, "argv")
            argv = ours.ask("arguments", xml=document, name="many-argv-0")
            answer: dict[str, float] = bare.ask("many", argv=argv, count=GUESTS)
        except SideError as error:
            print(f"{GUESTS} guests, bare: {error}")
            return {}
        return answer


def _scaled(figures: dict[str, float], step: str) -> float | None:
    return figures[step] * 1000 if step in figures else None


def _kilobytes(figures: dict[str, float]) -> str:
    return f"{figures['memory'] / 1e3:.0f}" if "memory" in figures else "-"
