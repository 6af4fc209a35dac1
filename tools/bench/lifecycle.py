# SPDX-License-Identifier: Apache-2.0
"""Create and destroy: ours, bare QEMU with the same arguments, libvirt embedded and as a daemon."""

from __future__ import annotations

import contextlib
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.bench import guests, side
from tools.bench.side import Side, SideError
from tools.bench.table import list_table, median_ms, milliseconds, ratio

HOMES = ("bare", "virloom", "embed", "daemon")
GOALS = {"create": 1.3, "destroy": 3.0, "first": 2.5}
"""Multiples of the floor (DESIGN, "What fast means here")."""

Samples = dict[str, list[float]]
"""Seconds by home."""


def warm(directory: Path, count: int) -> str:
    """Create and destroy on a root that is in use; each home in turn, *count* rounds."""
    with _homes(directory) as homes:
        rows = []
        for case in guests.CASES:
            figures, problems = _rounds(homes, case, count)
            rows += [_row(case.name, step, figures[step]) for step in ("create", "destroy")]
            for home, problem in problems.items():
                print(f"{case.name}, {home}: {problem}")
        return _table(f"Create and destroy, warm (ms, medians of {count})", rows)


def fresh(directory: Path, count: int) -> str:
    """The first guest in a fresh root and a fresh process, from open to created."""
    rows = []
    for case in (case for case in guests.CASES if case.paused):
        figures: Samples = defaultdict(list)
        for number in range(count):
            _fresh_round(directory, case, number, figures)
        rows.append(_row(case.name, "first", figures))
    return _table(f"Open a fresh root and create the first guest (ms, medians of {count})", rows)


def _fresh_round(directory: Path, case: guests.Case, number: int, figures: Samples) -> None:
    # libvirt's sockets must be reached by their whole path, which has at most 107 bytes.
    ours_root, their_root = (
        directory / f"v-{case.name}-{number}",
        directory / f"l-{case.machine}-{number}",
    )
    xml = case.document("1st")
    with _reported(f"{case.name}, virloom"), side.virloom(directory, ours_root) as ours:
        figures["virloom"].append(ours.ask("first", xml=xml)["create"])
        argv = ours.ask("arguments", xml=case.document("argv"), name=f"{case.name}-argv")
        with side.bare(directory) as bare:
            figures["bare"].append(bare.ask("run", argv=argv, paused=case.paused)["create"])
    with (
        _reported(f"{case.name}, embed"),
        side.libvirt(directory, "first", their_root) as libvirt,
    ):
        figures["embed"].append(libvirt.ask("first", xml=xml)["create"])


@contextlib.contextmanager
def _reported(what: str) -> Iterator[None]:
    try:
        yield
    except SideError as error:
        print(f"{what}: {error}")


@contextlib.contextmanager
def _homes(directory: Path) -> Iterator[Mapping[str, Side]]:
    with contextlib.ExitStack() as stack:
        yield {
            "bare": stack.enter_context(side.bare(directory)),
            "virloom": stack.enter_context(side.virloom(directory, directory / "virloom")),
            "embed": stack.enter_context(side.libvirt(directory, "embed", directory / "libvirt")),
            "daemon": stack.enter_context(side.libvirt(directory, "daemon", directory / "daemon")),
        }


def _rounds(
    homes: Mapping[str, Side], case: guests.Case, count: int
) -> tuple[dict[str, Samples], dict[str, str]]:
    """Seconds by step and home, and what went wrong by home (which then sits out)."""
    figures: dict[str, Samples] = {"create": defaultdict(list), "destroy": defaultdict(list)}
    problems: dict[str, str] = {}
    requests = _requests(homes, case, problems)
    # One round that does not count warms every home up.
    for number, home in itertools.product(range(count + 1), HOMES):
        if home in problems:
            continue
        try:
            answer = homes[home].ask("run", **requests[home], paused=case.paused)
        except SideError as error:
            problems[home] = str(error)
            continue
        if number:
            for step, seconds in answer.items():
                figures[step][home].append(seconds)
    return figures, problems


def _requests(
    homes: Mapping[str, Side], case: guests.Case, problems: dict[str, str]
) -> dict[str, dict[str, Any]]:
    requests: dict[str, dict[str, Any]] = {
        home: {"xml": case.document(home)} for home in HOMES if home != "bare"
    }
    for home in ("virloom", "embed"):
        try:
            argv = homes[home].ask("arguments", xml=case.document("argv"), name=f"{case.name}-argv")
        except SideError as error:
            problems[home] = str(error)
            continue
        return requests | {"bare": {"argv": argv}}
    problems["bare"] = "no arguments to start it with"
    return requests


def _row(name: str, step: str, figures: Samples) -> list[str]:
    values = {home: median_ms(figures[home]) for home in HOMES}
    return [
        f"{name}, {step}",
        *(milliseconds(values[home]) for home in HOMES),
        ratio(values["virloom"], values["bare"]),
        f"{GOALS[step]:g}",
        ratio(values["virloom"], values["embed"]),
    ]


def _table(title: str, rows: list[list[str]]) -> str:
    header = ["guest, step", "bare QEMU", "Virloom", "libvirt embed", "libvirtd",
              "Virloom / bare", "goal", "Virloom / libvirt embed"]  # fmt: skip
    return list_table(title, header, rows)
