# SPDX-License-Identifier: Apache-2.0
"""The daemons of networks, filters and interfaces killed while guests and a client send."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import virloom
from tools.bench.table import list_table
from tools.soak.areas import KINDS, AreaReader, AreaWriter, NetworkListener, lost_writes
from tools.soak.clients import Client, working
from tools.soak.family import Family
from tools.soak.killing import SCHEMES, kill_all
from tools.soak.scene import MAC, NETWORK, Guest, Scene, Sent, scene
from tools.soak.tally import PATIENCE, Tally, clients_table, kills_table

_KILLED = ("virtnetworkd", "virtnwfilterd", "virtinterfaced")
_ONLY = ("--only", "log,interface,nwfilter,network,qemu")


async def soak(root: Path, kills: int, guests: int) -> int:
    """Prints what came of it; 1 where anything was lost."""
    with scene(root) as place:
        family = Family(root, {name: name for name in _KILLED}, place.host.prefix, _ONLY)
        try:
            await family.start()
            return await _run(family, place, kills, guests)
        finally:
            await family.end()
            place.end()


async def _run(family: Family, place: Scene, kills: int, count: int) -> int:
    uris = {SCHEMES[name]: family.uri(name, SCHEMES[name]) for name in _KILLED}
    tally = Tally()
    async with virloom.open(uris["network"]) as conn:
        await (await conn.networks.define_xml(NETWORK)).create()
    place.plug()
    guests = await _create(family, count)
    running, before = family.guests(), await _facts(place, uris)
    async with working(_clients(uris, tally)):
        await kill_all(family, kills, tally)
        await asyncio.sleep(2 * PATIENCE)
    traffic = {"the client": place.unplug()}
    for number, guest in enumerate(guests):
        traffic[f"guest {number}"] = await guest.end()
    lost = await lost_writes(uris, tally)
    after = await _facts(place, uris)
    lost += [f"{name}: {before[name]} became {after[name]}" for name in before
             if before[name] != after[name]]  # fmt: skip
    gone = len(running.keys() - family.guests().keys())
    print(kills_table(tally))
    now = asyncio.get_running_loop().time()
    print(clients_table(tally, lost, (len(running), gone), now))
    print(_traffic_table(traffic))
    print(*lost, sep="\n", file=sys.stderr)
    stopped = any(sent == 0 or answered < sent - 2 for sent, answered in traffic.values())
    return int(bool(lost or gone or tally.silent or tally.missed(now)[1] or stopped))


async def _create(family: Family, count: int) -> list[Guest]:
    guests = [Guest(family.root, family.guest(number), 10 + number) for number in range(count)]
    async with virloom.open(family.uri("virtqemud")) as conn:
        for guest in guests:
            await conn.create_xml(guest.document)
    for guest in guests:
        await guest.begin()
    return guests


async def _facts(place: Scene, uris: dict[str, str]) -> dict[str, object]:
    """What is to be the same afterwards: of the host, and of what the daemons tell."""
    facts = place.marks()
    async with virloom.open(uris["network"]) as conn:
        network = await conn.networks.lookup_by_name("out")
        facts["active"] = await network.is_active()
        facts["ports"] = sorted(str(port.uuid) for port in await network.list_ports())
        leases = await network.dhcp_leases(MAC)
        facts["leases"] = sorted(str(lease.address) for lease in leases)
    async with virloom.open(uris["nwfilter"]) as conn:
        facts["bindings"] = sorted(each.port_dev for each in await conn.nwfilter_bindings.list())
    return facts


def _clients(uris: dict[str, str], tally: Tally) -> list[Client]:
    clients: list[Client] = []
    for scheme, kind in KINDS.items():
        clients += [AreaReader(uris[scheme], tally, kind), AreaWriter(uris[scheme], tally, kind)]
    return [*clients, NetworkListener(uris["network"], tally)]


def _traffic_table(traffic: dict[str, Sent]) -> str:
    rows = [[name, str(sent), str(answered)] for name, (sent, answered) in traffic.items()]
    return list_table("Ten packets a second", ["who", "sent", "answered"], rows)
