# SPDX-License-Identifier: Apache-2.0
"""Our clients and libvirt's own binding, in turn against one libvirtd."""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections import defaultdict

from tools.bench import side
from tools.bench.side import Side
from tools.bench.table import list_table, ratio
from tools.bench.wire import messages
from tools.bench.wire.pair import Pair, reported

_HOMES = ("sync", "async", "libvirt")
_STEPS = {"open": 5, "version": 2000, "xml": 500, "list": 20, "statistics": 5}
_DOMAINS = 1000


def clients(pair: Pair) -> str:
    """A table of microseconds for each step and client."""
    definitions = messages.joined(
        messages.define(messages.document(name)) for name in messages.names(_DOMAINS)
    )
    pair.generator.calls(pair.theirs.socket, definitions, _DOMAINS)
    uri = f"qemu+unix:///system?socket={pair.theirs.socket}"
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        sides = {home: stack.enter_context(_side(pair, home, uri)) for home in _HOMES}
        for step, count in _STEPS.items():
            for _ in range(pair.rounds):
                for home in _HOMES:
                    with reported(f"{step}, {home}"):
                        seconds = sides[home].ask(step, count=count)
                        found[step, home].append(seconds / count * 1e6)
    rows = []
    for step in _STEPS:
        values = [
            statistics.median(found[step, home]) if found[step, home] else None for home in _HOMES
        ]
        cells = ["-" if value is None else f"{value:.0f}" for value in values]
        ratios = [ratio(value, values[2]) for value in values[:2]]
        rows.append([f"{step} (µs)", *cells, *ratios])
    header = ["step", "Virloom, sync", "Virloom, async", "python3-libvirt",
              "sync / libvirt", "async / libvirt"]  # fmt: skip
    return list_table(f"Clients of one libvirtd with {_DOMAINS} domains", header, rows)


def _side(pair: Pair, home: str, uri: str) -> Side:
    python = side.SYSTEM_PYTHON if home == "libvirt" else sys.executable
    argv = [python, "-m", f"tools.bench.sides.client_{home}", uri]
    return Side(argv, pair.directory / f"client-{home}.log")
