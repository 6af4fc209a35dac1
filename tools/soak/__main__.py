# SPDX-License-Identifier: Apache-2.0
"""``python -m tools.soak [networks] [--kills N] [--guests N]``: kill daemons; print what came.

The daemons run under ``virloom daemons``; each is killed at moments of its own, while clients read,
write and listen, and guests run: virtqemud, virtsecretd and virtproxyd, with clients directly and
through the proxy; or, as root, those of networks, filters and interfaces, with traffic that does
not stop (:mod:`tools.soak.networks`).
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
from tools.soak import networks
from tools.soak.clients import Client, Listener, Reader, Writer, lost_writes, working
from tools.soak.family import Family
from tools.soak.killing import kill_all
from tools.soak.tally import PATIENCE, Tally, clients_table, kills_table
from virloom.testing.documents import paused_guest_xml

#: What is killed, and what the names of its sockets begin with.
SOCKETS = {"virtsecretd": "virtsecretd", "virtqemud": "virtqemud", "virtproxyd": "libvirt"}


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("guests", "networks"), default="guests")
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
        soak = networks.soak if options.what == "networks" else _soak
        return asyncio.run(soak(root, options.kills, options.guests))
    finally:
        shutil.rmtree(root)


async def _soak(root: Path, kills: int, guests: int) -> int:
    family, tally = Family(root, SOCKETS), Tally()
    try:
        await family.start()
        await _create(family, guests)
        before = family.guests()
        async with _load(family, tally):
            await kill_all(family, kills, tally)
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
    async with working(clients):
        yield


if __name__ == "__main__":
    sys.exit(main())
