# SPDX-License-Identifier: Apache-2.0
"""What clients saw: calls and their ends, what was promised to them, what they were told."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field

from tools.bench.table import list_table

#: Seconds that an event may take, before it counts as one that did not come.
PATIENCE = 2.0


@dataclass
class Watch:
    """One connection of a client that listens: from its registration to its end."""

    begun: float
    ended: float | None = None
    heard: set[str] = field(default_factory=set)


@dataclass
class Tally:
    """All figures.

    Attributes:
        acknowledged: Calls with a result.
        failed: Calls with an error, by what it told.
        silent: Calls with neither within their time.
        ends: Connections that ended under a client.
        there: What was written and acknowledged, and has to be there; by kind and name.
        gone: What was removed and acknowledged.
        unsure: What a failed call was about: it may be there or not.
        defined: When the definition of a domain was asked for, and acknowledged.
        watches: Of clients that listen.
        back: Seconds until a killed daemon answered, by its name.
    """

    acknowledged: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    silent: int = 0
    ends: int = 0
    there: dict[tuple[str, str], bytes] = field(default_factory=dict)
    gone: set[tuple[str, str]] = field(default_factory=set)
    unsure: set[tuple[str, str]] = field(default_factory=set)
    defined: dict[str, tuple[float, float]] = field(default_factory=dict)
    watches: list[Watch] = field(default_factory=list)
    back: dict[str, list[float]] = field(default_factory=dict)

    def missed(self, now: float) -> tuple[int, int]:
        """Events that listeners had to hear, and those that they did not.

        A listener has to hear of what was asked for after its registration and acknowledged well
        before its connection ended.
        """
        due = lost = 0
        for watch in self.watches:
            end = (watch.ended or now) - PATIENCE
            for name, (asked, acknowledged) in self.defined.items():
                if watch.begun < asked and acknowledged < end:
                    due += 1
                    lost += name not in watch.heard
        return due, lost


def kills_table(tally: Tally) -> str:
    """How long each daemon was away."""
    rows = []
    for name, seconds in tally.back.items():
        times = sorted(1000 * each for each in seconds)
        tenth = statistics.quantiles(times, n=20, method="inclusive")[-1]
        figures = (statistics.median(times), tenth, times[-1])
        rows.append([name, str(len(times)), *(f"{each:.0f}" for each in figures)])
    header = ["daemon", "kills", "median (ms)", "19 of 20 within (ms)", "longest (ms)"]
    return list_table("From kill -9 to the first answer", header, rows)


def clients_table(tally: Tally, lost: list[str], guests: tuple[int, int], now: float) -> str:
    """What came of calls, writes, events and guests."""
    due, missed = tally.missed(now)
    rows = [
        ["calls acknowledged", str(tally.acknowledged)],
        ["calls that failed", str(tally.failed.total())],
        *([f"... {what}", str(count)] for what, count in tally.failed.most_common(8)),
        ["calls without an end (30 s)", str(tally.silent)],
        ["connections that ended under a client", str(tally.ends)],
        ["writes acknowledged", str(len(tally.there) + len(tally.gone))],
        ["... and lost", str(len(lost))],
        ["events that a listener had to hear", str(due)],
        ["... and did not", str(missed)],
        ["guests at the begin", str(guests[0])],
        ["... lost", str(guests[1])],
    ]
    return list_table("What clients saw", ["what", "figure"], rows)
