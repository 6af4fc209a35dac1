# SPDX-License-Identifier: Apache-2.0
"""The daemon itself: started, idle, killed above running guests; and who hears of events."""

from __future__ import annotations

from functools import partial

from tools.bench.wire import messages
from tools.bench.wire.daemons import Daemon
from tools.bench.wire.pair import Pair, Row


def life(pair: Pair, crowds: tuple[int, ...]) -> list[Row]:
    """Start and memory without domains, then with guests that run."""

    def restart(one: Daemon) -> float:
        one.stop()
        return one.start() * 1000

    rows = [pair.measure("exec to the first answer (ms)", "≤ 100 ms", restart)]
    for index, name in enumerate(("RSS", "PSS")):
        rows.append(
            pair.measure(
                f"{name} when idle (MB)",
                "≤ 30 MB" if index == 0 else "",
                partial(_memory, index),
            )
        )
    there = 0
    for crowd in crowds:
        rows += _taken_over(pair, there, crowd)
        there = crowd
    gone = messages.joined(messages.destroy(f"crowd-{number}") for number in range(there))
    pair.both(lambda one: pair.generator.calls(one.socket, gone, there))
    return rows


def _taken_over(pair: Pair, there: int, crowd: int) -> list[Row]:
    started = messages.joined(messages.create(f"crowd-{n}") for n in range(there, crowd))
    for one in (pair.ours, pair.theirs):
        figures = pair.generator.calls(one.socket, started, crowd - there)
        if figures.failed:
            print(f"{one.name}: {figures.failed} of {crowd} guests did not start")
    asked = messages.joined(messages.info(f"crowd-{number}") for number in range(crowd))

    def again(one: Daemon) -> float:
        one.kill()
        answered = one.start() * 1e6
        figures = pair.generator.calls(one.socket, asked, crowd)
        if figures.failed:
            print(f"{one.name}: {figures.failed} of {crowd} guests are lost")
        return (answered + figures.elapsed) / 1000

    what = f"kill -9, start, {crowd} guests answer (ms)"
    return [pair.measure(what, "1", again)]


def _memory(index: int, one: Daemon) -> float:
    return one.memory()[index]


def _told(pair: Pair, calls: bytes, rounds: int, clients: int, one: Daemon) -> float:
    return pair.generator.fanout(one.socket, calls, rounds, clients).median


def fanout(pair: Pair, rounds: int) -> list[Row]:
    """From a call to its event at the last of many clients."""
    calls = messages.define(messages.small_document("told")) + messages.undefine("told")
    return [
        pair.measure(
            f"event to the last of {clients} clients (µs)",
            "0.6" if clients == 200 else "",
            partial(_told, pair, calls, rounds, clients),
        )
        for clients in (1, 50, 200)
    ]
