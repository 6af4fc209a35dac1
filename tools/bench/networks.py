# SPDX-License-Identifier: Apache-2.0
"""Networks, filters and guests' cards beside libvirtd: times, memory, and what passes our rules.

Each part can be asked for by itself (``networks.card``), has daemons of its own, and takes a minute
or two. One that fails says so and does not keep the others.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tools.bench.network_homes import Home, LibvirtHome, OurHome
from tools.bench.network_traffic import throughput
from tools.bench.table import list_table, milliseconds, ratio
from virloom.enums.domain import DomainCreateFlags
from virloom.errors import VirloomError
from virloom.testing.documents import paused_guest_xml

DEFINED, RUNNING, RULES = 200, 50, 500
#: Milliseconds that a card may add to a guest's start, and rules may take (issue 7).
_CARD_GOAL, _RULES_GOAL = 15.0, 100.0
#: Megabytes of idle daemons (DESIGN, decision 12).
_MEMORY_GOALS = {"virtnetworkd": 45, "virtinterfaced": 45, "virtnwfilterd": 30}
_PAUSED = DomainCreateFlags.START_PAUSED
_NETWORK = """<network><name>{name}</name><forward mode='nat'/><bridge name='{bridge}' stp='off'/>
<ip address='10.{number}.0.1' prefix='24'><dhcp><range start='10.{number}.0.2'
end='10.{number}.0.254'/></dhcp></ip></network>"""
_CARD = """<interface type='network'><mac address='52:54:00:00:00:01'/><source network='nat7'/>
<model type='virtio'/></interface>"""
_BINDING = """<filterbinding><owner><name>g</name><uuid>11111111-2222-3333-4444-555555555555</uuid>
</owner><portdev name='tap7'/><mac address='52:54:00:00:00:01'/><filterref filter='many'/>
</filterbinding>"""
_RULE = "<rule action='accept' direction='out'><{} dstportstart='{}'/></rule>"
#: What may go wrong with one part on a host that has not all of it.
_FAILURES = (VirloomError, AssertionError, OSError, RuntimeError, subprocess.SubprocessError)

Row = list[str]
Homes = Sequence[Home]


def network(number: int) -> str:
    """The document of a network."""
    return _NETWORK.format(name=f"nat{number}", bridge=f"virbr{number}", number=number)


def networks(directory: Path, count: int) -> str:
    """All of it; root's rights are needed."""
    return _table(PARTS, count)


def _table(parts: Mapping[str, Callable[[Homes, int], list[Row]]], count: int) -> str:
    if os.geteuid() != 0:
        return "networks: only root makes bridges\n"
    rows: list[Row] = []
    for name, part in parts.items():
        begun = time.monotonic()
        try:
            with OurHome() as ours, LibvirtHome() as theirs:
                rows += part((ours, theirs), count)
        except _FAILURES as error:
            print(f"{name}: {error}", flush=True)
        print(f"# {name}: {time.monotonic() - begun:.0f} s", flush=True)
    header = ["what", "Virloom", "libvirtd", "Virloom / libvirt", "goal"]
    title = f"Networks, filters and cards (medians of {count}; ms where nothing else is said)"
    return list_table(title, header, rows)


#: The seconds of each step of what is measured.
Steps = dict[str, float]


def _rounds(homes: Homes, count: int, once: Callable[[Home], Steps]) -> dict[str, list[float]]:
    """Both homes in turn, after a round that does not count.

    Returns:
        Of each step the median of each home, in milliseconds.
    """
    samples: dict[str, dict[str, list[float]]] = {}
    for number in range(count + 1):
        for home in homes:
            for step, seconds in once(home).items():
                kept = samples.setdefault(step, {}).setdefault(home.name, [])
                kept += [seconds * 1000] if number else []
    return {
        step: [median(found[home.name]) for home in homes]
        for step, found in samples.items()
        if len(found) == len(homes)
    }


def _row(what: str, values: Sequence[float], goal: str = "", digits: str = "") -> Row:
    """A row; a single value is ours."""
    shown = [f"{value:{digits}}" if digits else milliseconds(value) for value in values]
    shown += ["-"] * (2 - len(values))
    return [what, *shown, ratio(values[0], values[1]) if len(values) > 1 else "-", goal]


def _timed(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


# -- a network -----------------------------------------------------------------------------------


def _start(homes: Homes, count: int) -> list[Row]:
    """A NAT network, started and stopped."""

    def once(home: Home) -> Steps:
        made = home.networks.networks.define_xml(network(7))
        try:
            return {"start": _timed(made.create), "stop": _timed(made.destroy)}
        finally:
            made.undefine()

    found = _rounds(homes, count, once)
    return [_row(f"NAT network, {step}", values, "≤ 1.0") for step, values in found.items()]


# -- a guest's card ------------------------------------------------------------------------------


_ADDED = "what the card adds to create"


def _card(homes: Homes, count: int) -> list[Row]:
    """Guests that are started, paused, and destroyed, with a card and without, in turn."""
    bare, carded = (
        paused_guest_xml("carded", machine="pc", extra_devices=devices) for devices in ("", _CARD)
    )

    def once(home: Home) -> Steps:
        without, cleared = _guest(home, bare)
        created, destroyed = _guest(home, carded)
        return {
            "guest without a card, create, paused": without,
            "guest with one, create": created,
            _ADDED: created - without,
            "guest without a card, destroy": cleared,
            "guest with one, destroy": destroyed,
        }

    with ExitStack() as stack:
        for home in homes:
            stack.callback(home.networks.networks.create_xml(network(7)).destroy)
        found = _rounds(homes, count, once)
    rows = [_row(what, values) for what, values in found.items() if what != _ADDED]
    mine, its = (f"{value:.1f}" for value in found[_ADDED])
    return [*rows, [_ADDED, mine, its, "-", f"≤ {_CARD_GOAL:g} ms"]]


def _guest(home: Home, text: str) -> tuple[float, float]:
    begun = time.perf_counter()
    guest = home.guests.create_xml(text, _PAUSED)
    created = time.perf_counter() - begun
    return created, _timed(guest.destroy)


# -- filters -------------------------------------------------------------------------------------


def _frame_rules(homes: Homes, count: int) -> list[Row]:
    return _rules(homes, min(count, 2), "frame", "ip protocol='tcp'")


def _packet_rules(homes: Homes, count: int) -> list[Row]:
    """Libvirt starts programs for each of its rules, which takes a minute: once is enough."""
    ours, theirs = homes
    rows = _rules((ours,), min(count, 5), "packet", "tcp")
    values = _rules((theirs,), 0, "packet", "tcp")
    return [
        [what, mine, its, ratio(float(mine), float(its)), goal]
        for (what, mine, _, _, goal), (_, its, _, _, _) in zip(rows, values, strict=True)
    ]


def _rules(homes: Homes, count: int, kind: str, protocol: str) -> list[Row]:
    with ExitStack() as stack:
        for home in homes:
            _with_rules(stack, home, protocol)
        found = _rounds(homes, count, _bound) if count else _once(homes[0])
    goals = {"bound": f"≤ {_RULES_GOAL:g} ms"}
    return [
        _row(f"{RULES} {kind} rules, {step}", values, goals.get(step, ""))
        for step, values in found.items()
    ]


def _once(home: Home) -> dict[str, list[float]]:
    return {step: [seconds * 1000] for step, seconds in _bound(home).items()}


def _with_rules(stack: ExitStack, home: Home, protocol: str) -> None:
    rules = "".join(_RULE.format(protocol, 1000 + number) for number in range(RULES))
    home.sh("ip link add tap7 type veth peer name guest7")
    stack.callback(home.sh, "ip link delete tap7")
    made = home.filters.nwfilters.define_xml(f"<filter name='many'>{rules}</filter>")
    stack.callback(made.undefine)


def _bound(home: Home) -> Steps:
    begun = time.perf_counter()
    made = home.filters.nwfilter_bindings.create_xml(_BINDING)
    bound = time.perf_counter() - begun
    return {"bound": bound, "taken off": _timed(made.delete)}


# -- many of them, and memory --------------------------------------------------------------------


def _throughput(homes: Homes, count: int) -> list[Row]:
    found = throughput(homes, network(7), min(count, 5))
    return [_row(way, rates, "1.0", ".2f") for way, rates in found.items()]


def _many(homes: Homes, _count: int) -> list[Row]:
    """Many networks: how long they take, how long their list, and what the daemons hold then."""
    found = [_crowded(home) for home in homes]
    return [_row(what, [figures[what] for figures in found]) for what in found[0]]


def _crowded(home: Home) -> dict[str, float]:
    networks, found = home.networks.networks, {}
    with ExitStack() as stack:
        begun = time.perf_counter()
        made = []
        for number in range(DEFINED):
            made.append(networks.define_xml(network(number)))
            stack.callback(made[-1].undefine)
        found[f"{DEFINED} networks defined"] = (time.perf_counter() - begun) * 1000
        begun = time.perf_counter()
        for one in made[:RUNNING]:
            one.create()
            stack.callback(one.destroy)
        found[f"{RUNNING} of them started"] = (time.perf_counter() - begun) * 1000
        found[f"the list of {DEFINED}"] = median(_timed(networks.list) for _ in range(20)) * 1000
        found["memory of the daemons then (MB)"] = home.memory()
        begun = time.perf_counter()
    found[f"{RUNNING} stopped, {DEFINED} undefined"] = (time.perf_counter() - begun) * 1000
    return found


def _memory(homes: Homes, _count: int) -> list[Row]:
    """RSS of each daemon, idle, and of all together when they have worked."""
    rows = [
        _row(f"{name}, idle (MB)", [size], f"< {_MEMORY_GOALS[name]}")
        for name, size in homes[0].sizes().items()
    ]
    rows.append(_row("all daemons, idle (MB)", [home.memory() for home in homes]))
    for home in homes:
        with ExitStack() as stack:
            stack.callback(home.networks.networks.create_xml(network(7)).destroy)
            _with_rules(stack, home, "ip protocol='tcp'")
            _bound(home)
    what = f"all daemons, after one network and {RULES} rules (MB)"
    return [*rows, _row(what, [home.memory() for home in homes])]


PARTS: dict[str, Callable[[Homes, int], list[Row]]] = {
    "networks.start": _start,
    "networks.card": _card,
    "networks.frame-rules": _frame_rules,
    "networks.packet-rules": _packet_rules,
    "networks.throughput": _throughput,
    "networks.many": _many,
    "networks.memory": _memory,
}


def part(name: str) -> Callable[[Path, int], str]:
    """One part as a benchmark of its own."""
    return lambda _directory, count: _table({name: PARTS[name]}, count)
