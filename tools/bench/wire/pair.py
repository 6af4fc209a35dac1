# SPDX-License-Identifier: Apache-2.0
"""Two daemons in turn: A B A B, so that a busy moment of the machine hits both alike."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tools.bench.side import SideError
from tools.bench.table import list_table, ratio
from tools.bench.wire.daemons import Daemon, Libvirtd, Virtqemud
from tools.bench.wire.generator import Generator


class Row(NamedTuple):
    """One line of a table; a figure that could not be had is None."""

    what: str
    ours: float | None
    theirs: float | None
    goal: str
    floor: float | None = None


class Pair:
    """Ours and libvirt's daemon, and what makes the load.

    Attributes:
        ours, theirs: The daemons, both running.
        generator: The load.
        directory: For other files.
        rounds: How often each is asked in turn.
    """

    def __init__(
        self, ours: Daemon, theirs: Daemon, generator: Generator, directory: Path, rounds: int
    ) -> None:
        self.ours = ours
        self.theirs = theirs
        self.generator = generator
        self.directory = directory
        self.rounds = rounds

    def measure(
        self, what: str, goal: str, sample: Callable[[Daemon], float], *, floor: float | None = None
    ) -> Row:
        """A row of medians of what *sample* tells of either daemon in turn."""
        samples: dict[str, list[float]] = {self.ours.name: [], self.theirs.name: []}
        for _ in range(self.rounds):
            for daemon in (self.ours, self.theirs):
                with reported(f"{what}, {daemon.name}"):
                    samples[daemon.name].append(sample(daemon))
        ours, theirs = (
            statistics.median(values) if values else None for values in samples.values()
        )
        return Row(what, ours, theirs, goal, floor)

    def both(self, action: Callable[[Daemon], object]) -> None:
        """Does the same to both."""
        for daemon in (self.ours, self.theirs):
            action(daemon)


@contextlib.contextmanager
def reported(what: str) -> Iterator[None]:
    """Says what went wrong, and goes on with the next figure."""
    try:
        yield
    except SideError as error:
        print(f"{what}: {error}", flush=True)


@contextlib.contextmanager
def running(directory: Path, generator: Generator, rounds: int) -> Iterator[Pair]:
    """Both daemons, on fresh files."""
    with contextlib.ExitStack() as stack:
        for name in (Virtqemud.name, Libvirtd.name):
            (directory / name).mkdir(mode=0o755)
        ours = stack.enter_context(Virtqemud(directory / Virtqemud.name))
        theirs = stack.enter_context(Libvirtd(directory / Libvirtd.name))
        yield Pair(ours, theirs, generator, directory, rounds)


def table(title: str, rows: list[Row]) -> str:
    """The rows, with ours as a multiple of theirs."""
    header = ["what", "floor", "virtqemud", "libvirtd", "virtqemud / libvirtd", "goal"]
    cells = [
        [row.what, _shown(row.floor), _shown(row.ours), _shown(row.theirs),
         ratio(row.ours, row.theirs), row.goal]
        for row in rows
    ]  # fmt: skip
    return list_table(title, header, cells)


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
