# SPDX-License-Identifier: Apache-2.0
"""Calls that need nobody's answer: one at a time, from many clients, and while others work."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tools.bench.wire import messages
from tools.bench.wire.daemons import Daemon
from tools.bench.wire.pair import Pair, Row

_GUEST = "light"
_LIGHT = (
    ("version", messages.version()),
    ("look-up by name", messages.look_up(_GUEST)),
    ("state", messages.state(_GUEST)),
    ("info", messages.info(_GUEST)),
)


def light(pair: Pair, calls: int) -> list[Row]:
    """All rows of light calls."""
    pair.both(
        lambda one: pair.generator.calls(one.socket, messages.define(messages.document(_GUEST)), 1)
    )
    floors = _floors(pair, calls)
    rows = [Row(f"{name} (µs)", floor, None, "the floor") for name, floor in floors.items()]
    rows += [
        pair.measure(
            f"{name}, round trip (µs)",
            "0.6",
            partial(_round_trip, pair, call, calls),
        )
        for name, call in _LIGHT
    ]
    rows.append(_xml(pair, calls))
    for connections in (1, 8, 32, 64):
        rows += _rates(pair, connections, calls * 4)
    rows += _beside_idle(pair, calls)
    rows.append(_while_others_work(pair, calls))
    return rows


def _round_trip(pair: Pair, call: bytes, calls: int, one: Daemon, *, idle: int = 0) -> float:
    return pair.generator.calls(one.socket, call, calls, idle=idle).median


def _xml(pair: Pair, calls: int) -> Row:
    call = messages.xml(_GUEST)
    return pair.measure(
        "XML of one domain, round trip (µs)",
        "0.8",
        partial(_round_trip, pair, call, calls),
    )


def _floors(pair: Pair, calls: int) -> dict[str, float]:
    """Round trips of servers that do nothing: epoll in C, asyncio in Python."""
    found = {}
    path = pair.directory / "epoll"
    with pair.generator.echo(path):
        found["echo by epoll in C"] = pair.generator.calls(path, messages.version(), calls).median
    path = pair.directory / "asyncio"
    with _asyncio_echo(path):
        found["echo by asyncio"] = pair.generator.calls(path, messages.version(), calls).median
    return found


@contextlib.contextmanager
def _asyncio_echo(path: Path) -> Iterator[None]:
    argv = [sys.executable, "-m", "tools.bench.sides.echo", str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            os.kill(process.pid, signal.SIGTERM)


def _rates(pair: Pair, connections: int, calls: int) -> list[Row]:
    """Calls per second, and what one costs the daemon."""
    costs: dict[str, list[float]] = {pair.ours.name: [], pair.theirs.name: []}
    call = messages.info(_GUEST)

    def rate(one: Daemon) -> float:
        before = one.cpu()
        figures = pair.generator.calls(one.socket, call, calls, connections=connections)
        costs[one.name].append((one.cpu() - before) / calls * 1e6)
        return figures.rate

    what = f"{connections} connections" if connections > 1 else "1 connection"
    row = pair.measure(f"calls per second, {what}", "3" if connections > 1 else "", rate)
    ours, theirs = (min(values, default=None) for values in costs.values())
    return [row, Row(f"processor time per call, {what} (µs)", ours, theirs, "")]


def _beside_idle(pair: Pair, calls: int) -> list[Row]:
    call = messages.info(_GUEST)
    return [
        pair.measure(
            f"info beside {idle} idle clients (µs)",
            "flat",
            partial(_round_trip, pair, call, calls, idle=idle),
        )
        for idle in (0, 1000)
    ]


def _while_others_work(pair: Pair, calls: int) -> Row:
    call = messages.info(_GUEST)
    others = (
        messages.define(messages.document("busy")) + messages.undefine("busy"),
        messages.create("started") + messages.destroy("started"),
        messages.statistics(),
    )

    def sample(one: Daemon) -> float:
        with contextlib.ExitStack() as stack:
            for work in others:
                stack.enter_context(pair.generator.busy(one.socket, work))
            time.sleep(0.5)  # so that the first capabilities are known and all of them are at work
            return pair.generator.calls(one.socket, call, calls).p99

    row = pair.measure("p99 of info while others define, create, read statistics (µs)", "1", sample)
    time.sleep(1)  # what the killed ones had begun comes to its end
    left = messages.undefine("busy") + messages.destroy("started")
    pair.both(lambda one: pair.generator.calls(one.socket, left, 2))
    return row
