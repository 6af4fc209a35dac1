# SPDX-License-Identifier: Apache-2.0
"""Lists of the host's processors, as ``0-3,^2,6``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from virloom.cli.shell.failure import CommandFailed
from virloom.client.connection import Connection
from virloom.errors import InvalidArg

_PART = re.compile(r"\s*(?:\^(?P<but>[0-9]+)|(?P<first>[0-9]+)(?:\s*-\s*(?P<last>[0-9]+))?)\s*")
_MOST = 2**31 - 1


def ranges(numbers: Iterable[int]) -> str:
    """The numbers in order, what follows on each other as one range."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


async def how_many(connection: Connection) -> int:
    """The number of processors that the host has, those that are offline included."""
    return (await connection.node_cpu_map()).present


async def chosen(connection: Connection, text: str) -> frozenset[int]:
    """The processors that a list names; ``r`` stands for all.

    Raises:
        CommandFailed: It is no such list, or names none or one that the host does not have.
    """
    number = await how_many(connection)
    if text == "r":
        return frozenset(range(number))
    cpus = _parsed(text)
    if cpus is None:
        failure = InvalidArg(f"Failed to parse bitmap '{text}'")
        raise CommandFailed(f"Invalid cpulist '{text}'") from failure
    if not cpus:
        raise CommandFailed(f"Invalid cpulist '{text}'")
    if max(cpus) >= number:
        raise CommandFailed(f"CPU {max(cpus)} in cpulist '{text}' exceed the maxcpu {number}")
    return frozenset(cpus)


def _parsed(text: str) -> set[int] | None:
    found: set[int] = set()
    parts = text.split(",")
    if len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    for part in parts:
        match = _PART.fullmatch(part)
        if match is None:
            return None
        if match["but"]:
            found.discard(int(match["but"]))
            continue
        first = int(match["first"])
        last = int(match["last"] or first)
        if last < first or last > _MOST:
            return None
        # Nothing is set beyond what can be said to be too much.
        found.update(range(first, min(last, first + _WIDEST) + 1), (last,))
    return found


_WIDEST = 2**16
