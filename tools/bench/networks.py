# SPDX-License-Identifier: Apache-2.0
"""Networks, filters and guests' cards beside libvirtd: times, memory, and what passes our rules."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tests.interop.namespace import NetworkNamespace
from tools.bench.network_homes import Home, LibvirtHome, OurHome
from tools.bench.table import list_table, milliseconds, ratio
from virloom.enums.domain import DomainCreateFlags
from virloom.errors import VirloomError
from virloom.testing.documents import paused_guest_xml

DEFINED, RUNNING, RULES = 200, 50, 500
_SECONDS = 3  # that iperf3 sends
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
_HOST = """
ip link add port type veth peer name eth0 netns {client}; ip link set port up
ip link add wan type veth peer name eth0 netns {outside}; ip link set wan up
ip address add 203.0.113.1/24 dev wan
"""


def network(number: int) -> str:
    """The document of a network."""
    return _NETWORK.format(name=f"nat{number}", bridge=f"virbr{number}", number=number)


def networks(_directory: Path, count: int) -> str:
    """All of it; root's rights are needed."""
    if os.geteuid() != 0:
        return "networks: only root makes bridges\n"
    with OurHome() as ours, LibvirtHome() as theirs:
        homes = (ours, theirs)
        few = min(count, 3)  # libvirt starts a program for each of the rules
        rows = [
            *_measured(homes, "a NAT network", count, 1.0, _started),
            *_measured(homes, "a guest without a card", count, None, _guest("")),
            *_measured(homes, "a guest with one", count, None, _guest(_CARD), _with_network),
            *_measured(homes, f"{RULES} packet rules", few, None, _bound, _with_rules("tcp")),
            *_measured(homes, f"{RULES} frame rules", few, None, _bound, _with_rules("ip")),
            *_throughput(homes),
            *_many(homes),
        ]
    header = ["what", "Virloom", "libvirtd", "Virloom / libvirt", "goal"]
    title = f"Networks, filters and cards (medians of {count}; ms where nothing else is said)"
    return list_table(title, header, rows)


#: The seconds of each step of what is measured.
Steps = dict[str, float]


def _measured(
    homes: Sequence[Home], what: str, count: int, goal: float | None,
    once: Callable[[Home], Steps], before: Callable[[Home], Callable[[], None]] | None = None,
) -> list[list[str]]:  # fmt: skip
    """A row for each step: both homes in turn, after a round that does not count."""
    samples: dict[str, dict[str, list[float]]] = {}
    with ExitStack() as stack:
        try:
            for home in homes:
                if before is not None:
                    stack.callback(before(home))
            for number in range(count + 1):
                for home in homes:
                    for step, seconds in once(home).items():
                        kept = samples.setdefault(step, {}).setdefault(home.name, [])
                        kept += [seconds] if number else []
        except VirloomError as error:
            print(f"{what}: {error}")
    return [
        _row(f"{what}, {step}", [median(found[home.name]) * 1000 for home in homes], goal)
        for step, found in samples.items()
        if all(found.get(home.name) for home in homes)
    ]


def _row(what: str, values: Sequence[float], goal: float | None, digits: str = "") -> list[str]:
    shown = [f"{value:{digits}}" if digits else milliseconds(value) for value in values]
    return [what, *shown, ratio(values[0], values[1]), f"{goal:g}" if goal else ""]


def _timed(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _started(home: Home) -> Steps:
    made = home.networks.networks.define_xml(network(7))
    started, stopped = _timed(made.create), _timed(made.destroy)
    made.undefine()
    return {"start": started, "stop": stopped}


def _with_network(home: Home) -> Callable[[], None]:
    made = home.networks.networks.create_xml(network(7))
    return made.destroy


def _guest(devices: str) -> Callable[[Home], Steps]:
    text = paused_guest_xml("carded", machine="pc", extra_devices=devices)

    def once(home: Home) -> Steps:
        begun = time.perf_counter()
        guest = home.guests.create_xml(text, _PAUSED)
        created = time.perf_counter() - begun
        return {"create": created, "destroy": _timed(guest.destroy)}

    return once


def _with_rules(protocol: str) -> Callable[[Home], Callable[[], None]]:
    name = "ip protocol='tcp'" if protocol == "ip" else protocol
    rules = "".join(_RULE.format(name, 1000 + number) for number in range(RULES))

    def before(home: Home) -> Callable[[], None]:
        home.sh("ip link add tap7 type veth peer name guest7")
        made = home.filters.nwfilters.define_xml(f"<filter name='many'>{rules}</filter>")

        def after() -> None:
            made.undefine()
            home.sh("ip link delete tap7")

        return after

    return before


def _bound(home: Home) -> Steps:
    bindings = home.filters.nwfilter_bindings
    begun = time.perf_counter()
    made = bindings.create_xml(_BINDING)
    bound = time.perf_counter() - begun
    return {"bound": bound, "taken off": _timed(made.delete)}


def _throughput(homes: Sequence[Home]) -> list[list[str]]:
    """What a machine on a NAT network sends to the outside, and gets from there."""
    try:
        found = [_sent(home) for home in homes]
    except AssertionError as error:  # iperf3 has not got through
        print(f"throughput: {error}")
        return []
    ways = ("out of a NAT network (Gbit/s)", "into it (Gbit/s)")
    return [
        _row(way, values, 1.0, ".2f")
        for way, values in zip(ways, zip(*found, strict=True), strict=True)
    ]


def _sent(home: Home) -> list[float]:
    made = home.networks.networks.create_xml(network(7))
    with NetworkNamespace("true") as client, NetworkNamespace("true") as outside:
        try:
            home.sh(_HOST.format(client=client.pid, outside=outside.pid))
            home.sh("ip link set port master virbr7")
            for space, address in ((client, "10.7.0.2/24"), (outside, "203.0.113.2/24")):
                space.run("ip", "address", "add", address, "dev", "eth0")
                space.run("ip", "link", "set", "eth0", "up")
            client.run("ip", "route", "add", "default", "via", "10.7.0.1")
            return [_rate(client, outside, *more) for more in ((), ("-R",))]
        finally:
            made.destroy()


def _rate(client: NetworkNamespace, outside: NetworkNamespace, *more: str) -> float:
    server = subprocess.Popen(
        [*outside.prefix, "iperf3", "-s", "-1", "--forceflush"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert server.stdout is not None
    try:
        while b"listening" not in server.stdout.readline():
            pass
        words = ["iperf3", "-c", "203.0.113.2", "-t", str(_SECONDS), "-J", *more]
        told = json.loads(client.run(*words))
        assert "error" not in told, told["error"]
    finally:
        server.kill()  # with a client that did not come it waits for ever
        server.communicate()
    return float(told["end"]["sum_received"]["bits_per_second"]) / 1e9


def _many(homes: Sequence[Home]) -> list[list[str]]:
    """Many networks: how long they take, how long their list, and what the daemons hold then."""
    before = [home.memory() for home in homes]
    figures: dict[str, list[float]] = {}
    for home in homes:
        for what, value in _crowded(home).items():
            figures.setdefault(what, []).append(value)
    rows = [_row("memory of the daemons, with nothing (MB)", before, None)]
    return [*rows, *(_row(what, values, None) for what, values in figures.items())]


def _crowded(home: Home) -> dict[str, float]:
    networks = home.networks.networks
    found = {}
    begun = time.perf_counter()
    made = [networks.define_xml(network(number)) for number in range(DEFINED)]
    found[f"{DEFINED} networks defined"] = (time.perf_counter() - begun) * 1000
    begun = time.perf_counter()
    for one in made[:RUNNING]:
        one.create()
    found[f"{RUNNING} of them started"] = (time.perf_counter() - begun) * 1000
    found["their list"] = median(_timed(networks.list) for _ in range(20)) * 1000
    found["memory then (MB)"] = home.memory()
    for one in made[:RUNNING]:
        one.destroy()
    for one in made:
        one.undefine()
    return found
