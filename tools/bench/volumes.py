# SPDX-License-Identifier: Apache-2.0
"""Pools and volumes on virtstoraged and on libvirtd: looked at, copied, sent and taken."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import defaultdict
from pathlib import Path

from tools.bench.side import SYSTEM_PYTHON, Side, SideError
from tools.bench.table import list_table, ratio
from tools.bench.wire.daemons import Beside, Libvirtd
from tools.bench.wire.pair import reported

_SIZE, _SPARSE = 1 << 30, 1 << 40
_ROUNDS = 5
_STREAMS, _CALLS = 10, 2000
#: Seconds after which a file counts as one that was there before.
_SETTLED = 3.0
#: What is measured: its name, what it is asked with, and its goal as a multiple of libvirt's time.
_STEPS: tuple[tuple[str, str, dict[str, int], str], ...] = (
    ("refresh", "refresh of 2,000 images", {}, "0.5"),
    ("start", "start of a pool of them", {}, "1"),
    ("clone", "copy of 256 MiB", {}, "1"),
    ("upload", "upload of 1 GiB", {"size": _SIZE}, "1.0"),
    ("download", "download of 1 GiB", {"size": _SIZE}, "0.83"),
    ("sparse", "download of a hole of 1 TiB", {"size": _SPARSE}, "1"),
)


def volumes(directory: Path, count: int) -> str:
    """One table; medians of five, taken in turn."""
    try:
        with contextlib.ExitStack() as stack:
            return _table(_sides(directory, stack))
    except SideError as error:
        return f"volumes: {error}\n"


def _sides(directory: Path, stack: contextlib.ExitStack) -> dict[str, Side]:
    places = {name: directory / f"volumes-{name}" for name in ("ours", "theirs")}
    for place in places.values():
        place.mkdir(mode=0o755)
    ours = stack.enter_context(
        Beside(places["ours"], "virloom.daemons.virtstoraged", "virtstoraged")
    )
    theirs = stack.enter_context(Libvirtd(places["theirs"]))
    uris = {
        "ours": f"storage+unix:///system?socket={ours.socket}",
        "theirs": f"qemu+unix:///system?socket={theirs.socket}",
    }
    argv = [SYSTEM_PYTHON, "-m", "tools.bench.sides.volumes_libvirt"]
    return {
        name: stack.enter_context(
            Side([*argv, uri, str(places[name] / "pools")], directory / f"volumes-{name}.log")
        )
        for name, uri in uris.items()
    }


def _table(sides: dict[str, Side]) -> str:
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for side in sides.values():
        side.ask("fill")
    time.sleep(_SETTLED)
    for step, what, arguments, _ in _STEPS:
        for _round in range(_ROUNDS):
            for name, side in sides.items():
                with reported(f"{what}, {name}"):
                    found[step, name].append(side.ask(step, **arguments))
    rows = []
    for step, what, _, goal in _STEPS:
        values = [statistics.median(found[step, name]) * 1000 for name in sides]
        rows.append(_row(f"{what} (ms)", values, goal))
    rows.append(_row("light call beside ten downloads, p99 (ms)", _light(sides), "1"))
    header = ["work of python3-libvirt", "virtstoraged", "libvirtd", "ratio", "goal"]
    return list_table(f"Pools and volumes, medians of {_ROUNDS}", header, rows)


def _light(sides: dict[str, Side]) -> list[float]:
    """Milliseconds in which 99 of 100 are answered, of each side: medians, taken in turn."""
    found: dict[str, list[float]] = defaultdict(list)
    for _round in range(_ROUNDS):
        for name, side in sides.items():
            calls = side.ask("light", streams=_STREAMS, calls=_CALLS)
            found[name].append(statistics.quantiles(calls, n=100)[98] * 1000)
    return [statistics.median(found[name]) for name in sides]


def _row(what: str, values: list[float], goal: str) -> list[str]:
    cells = [f"{value:.2f}" if value < 10 else f"{value:.0f}" for value in values]
    return [what, *cells, ratio(values[0], values[1]), goal]
