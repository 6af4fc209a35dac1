# SPDX-License-Identifier: Apache-2.0
"""Many definitions: what they cost to make, to list, to describe, to load, and to keep."""

from __future__ import annotations

from tools.bench.wire import messages
from tools.bench.wire.daemons import Daemon
from tools.bench.wire.pair import Pair, Row


def defined(pair: Pair, sizes: tuple[int, ...]) -> list[Row]:
    """Rows of each number of domains in *sizes*, which rises."""
    rows = []
    there = 0
    for size in sizes:
        rows += _grown(pair, there, size) if size else [_list(pair, 0)]
        there = size
    rows.append(_undefined(pair, there))
    return rows


def _grown(pair: Pair, there: int, size: int) -> list[Row]:
    new = messages.names(size)[there:]
    definitions = messages.joined(messages.define(messages.document(name)) for name in new)

    def define(one: Daemon) -> float:
        return pair.generator.calls(one.socket, definitions, len(new)).elapsed / 1000

    # Once each: a second time would define what is there.
    once = Pair(pair.ours, pair.theirs, pair.generator, pair.directory, 1)
    rows = [once.measure(f"define {len(new)} more, {size} in all (ms)", "1", define)]
    if size < 1000:
        return [*rows, _list(pair, size)]
    rows += [_list(pair, size), _statistics(pair, size), _documents(pair, size)]
    rows += _restarted(pair, size)
    return rows


def _list(pair: Pair, size: int) -> Row:
    call = messages.listing()
    return pair.measure(
        f"list of {size} (ms)",
        "0.8",
        lambda one: pair.generator.calls(one.socket, call, 20).median / 1000,
    )


def _statistics(pair: Pair, size: int) -> Row:
    call = messages.statistics()
    return pair.measure(
        f"bulk statistics of {size} (ms)",
        "0.8",
        lambda one: pair.generator.calls(one.socket, call, 5).median / 1000,
    )


def _documents(pair: Pair, size: int) -> Row:
    calls = messages.joined(messages.xml(name) for name in messages.names(size))
    return pair.measure(
        f"all XML of {size} (ms)",
        "0.8",
        lambda one: pair.generator.calls(one.socket, calls, size).elapsed / 1000,
    )


def _restarted(pair: Pair, size: int) -> list[Row]:
    memory: dict[str, tuple[float, float]] = {}

    def restart(one: Daemon) -> float:
        one.kill()
        seconds = one.start()
        memory[one.name] = one.memory()
        return seconds * 1000

    rows = [pair.measure(f"kill and start with {size} domains, to the answer (ms)", "0.8", restart)]
    for index, name in enumerate(("RSS", "PSS")):
        ours, theirs = memory[pair.ours.name][index], memory[pair.theirs.name][index]
        rows.append(Row(f"{name} after a start with {size} domains (MB)", ours, theirs, "1"))
    return rows


def _undefined(pair: Pair, size: int) -> Row:
    calls = messages.joined(messages.undefine(name) for name in messages.names(size))
    once = Pair(pair.ours, pair.theirs, pair.generator, pair.directory, 1)
    return once.measure(
        f"undefine {size} (ms)",
        "1",
        lambda one: pair.generator.calls(one.socket, calls, size).elapsed / 1000,
    )
