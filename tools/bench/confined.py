# SPDX-License-Identifier: Apache-2.0
"""Create and destroy with all of a system guest's confinement, beside bare QEMU and libvirtd."""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from pathlib import Path

from tools.bench import guests, side
from tools.bench.lifecycle import Samples
from tools.bench.side import Side, SideError
from tools.bench.table import list_table, median_ms, milliseconds, ratio

GOAL = 2.0
"""Multiple of the floor for a create with namespaces, groups and labels (DESIGN)."""

_SETTINGS = """
namespaces = ["mount"]
max_files = 10000
max_processes = 16384
"""
_HOMES = ("bare", "plain", "confined", "daemon")


def confined(directory: Path, count: int) -> str:
    """Each home in turn, *count* rounds, after one that does not count."""
    if os.geteuid() != 0:
        return "confined: only root confines guests\n"
    root = directory / "confined"
    (root / "etc").mkdir(parents=True)
    (root / "etc/qemu.conf").write_text(_SETTINGS)
    with (
        side.bare(directory) as bare,
        side.virloom(directory, directory / "plain") as plain,
        side.virloom(directory, root) as ours,
        side.libvirt(directory, "daemon", directory / "libvirtd") as daemon,
    ):
        homes = {"bare": bare, "plain": plain, "confined": ours, "daemon": daemon}
        rows = []
        for case in (case for case in guests.CASES if case.paused):
            figures = _rounds(homes, case, count)
            rows += [_row(case, step, figures[step]) for step in ("create", "destroy")]
    header = ["guest, step", "bare QEMU", "Virloom, user only", "Virloom, confined", "libvirtd",
              "confined / bare", "goal", "confined / libvirtd"]  # fmt: skip
    title = f"Create and destroy with /dev, limits and groups of its own (ms, medians of {count})"
    return list_table(title, header, rows)


def _rounds(homes: dict[str, Side], case: guests.Case, count: int) -> dict[str, Samples]:
    figures: dict[str, Samples] = {"create": defaultdict(list), "destroy": defaultdict(list)}
    argv = homes["plain"].ask("arguments", xml=case.document("argv"), name=f"{case.name}-argv")
    for number, home in itertools.product(range(count + 1), _HOMES):
        request = {"argv": argv} if home == "bare" else {"xml": case.document(home)}
        try:
            answer = homes[home].ask("run", **request, paused=case.paused)
        except SideError as error:
            print(f"{case.name}, {home}: {error}")
            continue
        if number:
            for step, seconds in answer.items():
                figures[step][home].append(seconds)
    return figures


def _row(case: guests.Case, step: str, figures: Samples) -> list[str]:
    values = {home: median_ms(figures[home]) for home in _HOMES}
    return [
        f"{case.name}, {step}",
        *(milliseconds(values[home]) for home in _HOMES),
        ratio(values["confined"], values["bare"]),
        f"{GOAL:g}" if step == "create" else "",
        ratio(values["confined"], values["daemon"]),
    ]
