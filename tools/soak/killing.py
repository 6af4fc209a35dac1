# SPDX-License-Identifier: Apache-2.0
"""Kills daemons over and over, and measures how long each is away."""

from __future__ import annotations

import asyncio
import random
import sys

import virloom
from tools.soak.family import Family
from tools.soak.tally import Tally
from virloom.client.connection import Connection
from virloom.errors import VirloomError
from virloom.procedures import connect
from virloom.rpc.packet import Header, pack

#: Seconds of a daemon's life before it is killed: long enough for the supervisor to take it for one
#: that runs, so that it starts the next one at once.
_LIFE = (3.2, 4.2)
_TICK = 0.005
#: Of the URIs that daemons serve.
SCHEMES = {
    "virtsecretd": "secret",
    "virtqemud": "qemu",
    "virtnetworkd": "network",
    "virtnwfilterd": "nwfilter",
    "virtinterfaced": "interface",
}


async def kill_all(family: Family, kills: int, tally: Tally) -> None:
    """Kills each daemon that is to be killed so many times, at moments of its own."""
    await asyncio.gather(*(_kill(family, name, kills, tally) for name in family.sockets))


async def _kill(family: Family, name: str, kills: int, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    tally.back[name] = []
    for number in range(kills):
        await asyncio.sleep(random.uniform(*_LIFE))
        before, begun = family.pids[name], loop.time()
        await family.kill(name)
        async with asyncio.timeout(60):
            while not await _answers(family, name):  # noqa: ASYNC110 # a daemon that is not there
                await asyncio.sleep(_TICK)
        tally.back[name].append(loop.time() - begun)
        await family.ready_again(name, before)
        if number % 20 == 19:
            print(f"{name}: killed {number + 1} times", file=sys.stderr, flush=True)


async def _answers(family: Family, name: str) -> bool:
    """Whether a daemon answers: with what it drives, or the proxy with how to authenticate."""
    try:
        if name == "virtproxyd":
            return await _says_how(family)
        scheme = SCHEMES[name]
        async with virloom.open(family.uri(family.sockets[name], scheme)) as conn:
            await _list(conn, scheme)
    except (VirloomError, OSError):
        return False
    return True


async def _list(conn: Connection, scheme: str) -> None:
    match scheme:
        case "secret":
            await conn.secrets.list()
        case "network":
            await conn.networks.list()
        case "nwfilter":
            await conn.nwfilters.list()
        case "interface":
            await conn.interfaces.list()
        case _:
            await conn.list_all_domains()


async def _says_how(family: Family) -> bool:
    path = family.root / "run/libvirt/libvirt-sock"
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        procedure = connect.AUTH_LIST
        writer.write(pack(Header(procedure.program, 1, procedure.number, 0, 0, 0)))
        return len(await reader.read(100)) > 0
    finally:
        writer.close()
