# SPDX-License-Identifier: Apache-2.0
"""``python -m tools.soak [--kills N] [--guests N]``: kill each daemon N times; print what came.

All three daemons run under ``virloom daemons``; each is killed at moments of its own, while clients
read, write and listen, directly and through virtproxyd, and guests run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import virloom
from tools.soak.clients import Client, Listener, Reader, Writer, lost_writes
from tools.soak.family import SOCKETS, Family
from tools.soak.tally import PATIENCE, Tally, clients_table, kills_table
from virloom.errors import VirloomError
from virloom.procedures import connect
from virloom.rpc.packet import Header, pack
from virloom.testing.documents import paused_guest_xml

#: Seconds of a daemon's life before it is killed: long enough for the supervisor to take it for one
#: that runs, so that it starts the next one at once.
_LIFE = (3.2, 4.2)
_TICK = 0.005


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="of each daemon")
    parser.add_argument("--guests", type=int, default=4)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    random.seed(options.seed)
    for number in (signal.SIGTERM, signal.SIGINT):  # whatever ends it, nothing is left behind
        signal.signal(number, signal.default_int_handler)
    root = Path(tempfile.mkdtemp(prefix="vs"))  # short: libvirt's paths of sockets are
    root.chmod(0o755)
    try:
        return asyncio.run(_soak(root, options.kills, options.guests))
    finally:
        shutil.rmtree(root)


async def _soak(root: Path, kills: int, guests: int) -> int:
    family, tally = Family(root), Tally()
    try:
        await family.start()
        await _create(family, guests)
        before = family.guests()
        async with _load(family, tally):
            await asyncio.gather(*(_kill(family, name, kills, tally) for name in SOCKETS))
            await asyncio.sleep(2 * PATIENCE)
        lost = await lost_writes(family.uri("virtqemud"), tally)
        gone = len(before.keys() - family.guests().keys()) + await _unknown(family, before)
        print(kills_table(tally))
        now = asyncio.get_running_loop().time()
        print(clients_table(tally, lost, (len(before), gone), now))
        print(*lost, sep="\n", file=sys.stderr)
        return int(bool(lost or gone or tally.silent or tally.missed(now)[1]))
    finally:
        await family.end()


async def _create(family: Family, guests: int) -> None:
    async with virloom.open(family.uri("virtqemud")) as conn:
        for number in range(guests):
            await conn.create_xml(paused_guest_xml(family.guest(number)), 1)


async def _unknown(family: Family, before: dict[int, str]) -> int:
    """How many guests run, and no daemon knows of it."""
    async with virloom.open(family.uri("virtqemud")) as conn:
        known = {dom.name for dom in await conn.list_all_domains(1)}
    return len(set(before.values()) - known)


@contextlib.asynccontextmanager
async def _load(family: Family, tally: Tally) -> AsyncIterator[None]:
    direct, proxied = family.uri("virtqemud"), family.uri("libvirt")
    clients: list[Client] = [
        Reader(direct, tally),
        Reader(proxied, tally),
        Reader(proxied, tally),
        Writer(direct, tally, "direct"),
        Writer(proxied, tally, "proxied"),
        Listener(direct, tally),
        Listener(proxied, tally),
    ]
    tasks = [asyncio.ensure_future(client.run()) for client in clients]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()  # a client never ends by itself


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
        scheme = "secret" if name == "virtsecretd" else "qemu"
        async with virloom.open(family.uri(SOCKETS[name], scheme)) as conn:
            await (conn.secrets.list() if scheme == "secret" else conn.list_all_domains())
    except (VirloomError, OSError):
        return False
    return True


async def _says_how(family: Family) -> bool:
    path = family.root / "run/libvirt/libvirt-sock"
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        procedure = connect.AUTH_LIST
        writer.write(pack(Header(procedure.program, 1, procedure.number, 0, 0, 0)))
        return len(await reader.read(100)) > 0
    finally:
        writer.close()


if __name__ == "__main__":
    sys.exit(main())
