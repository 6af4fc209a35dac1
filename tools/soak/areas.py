# SPDX-License-Identifier: Apache-2.0
"""Clients of the daemons of networks, filters and interfaces: they read, write and listen."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import virloom
from tools.soak.clients import Client
from tools.soak.tally import Tally, Watch
from virloom.client.connection import Connection
from virloom.client.network.events import NetworkLifecycleEvent
from virloom.errors import VirloomError

#: Written things that one client leaves; older ones it removes.
_LEFT = 20
_SPACE = uuid.UUID("0b2d1d3e-0000-4000-8000-000000000001")


def _network(name: str) -> str:
    return (
        f"<network><name>{name}</name><uuid>{uuid.uuid5(_SPACE, name)}</uuid>"
        "<forward mode='nat'/><ip address='10.200.0.1' prefix='24'/></network>"
    )


def _filter(name: str) -> str:
    return (
        f"<filter name='{name}'><uuid>{uuid.uuid5(_SPACE, name)}</uuid>"
        "<rule action='drop' direction='in'><tcp dstportstart='25'/></rule></filter>"
    )


def _interface(name: str) -> str:
    return (
        f"<interface type='bridge' name='{name}'><start mode='none'/><bridge stp='off'/>"
        "</interface>"
    )


class Kind(NamedTuple):
    """What is written of one area.

    Attributes:
        prefix: What names begin with: short, for they are those of links.
        document: Of the thing with that name.
        area: Where it is defined and looked up.
    """

    prefix: str
    document: Callable[[str], str]
    area: Callable[[Connection], Any]


#: By the scheme of the URI.
KINDS = {
    "network": Kind("n", _network, lambda conn: conn.networks),
    "nwfilter": Kind("f", _filter, lambda conn: conn.nwfilters),
    "interface": Kind("i", _interface, lambda conn: conn.interfaces),
}


class AreaReader(Client):
    """Lists, and reads a document."""

    def __init__(self, uri: str, tally: Tally, kind: Kind) -> None:
        super().__init__(uri, tally)
        self._kind = kind

    async def _work(self, conn: Connection) -> None:
        for found in (await self.call(self._kind.area(conn).list()) or [])[:3]:
            await self.call(found.xml_desc())


class AreaWriter(Client):
    """Defines and undefines."""

    def __init__(self, uri: str, tally: Tally, kind: Kind) -> None:
        super().__init__(uri, tally)
        self._kind = kind
        self._number = 0
        self._left: deque[str] = deque()

    async def _work(self, conn: Connection) -> None:
        self._number += 1
        name, loop = f"{self._kind.prefix}{self._number}", asyncio.get_running_loop()
        asked = loop.time()
        key = self._kind.prefix, name
        if await self.call(self._kind.area(conn).define_xml(self._kind.document(name))) is None:
            self._tally.unsure.add(key)
        else:
            self._tally.there[key] = b""
            self._left.append(name)
            if self._kind.prefix == "n":
                self._tally.defined[name] = asked, loop.time()
        while len(self._left) > _LEFT and not conn.closed:
            await self._remove(conn, self._left.popleft())

    async def _remove(self, conn: Connection, name: str) -> None:
        key = self._kind.prefix, name
        self._tally.there.pop(key)
        done = await self.call(_undefine(self._kind.area(conn).lookup_by_name(name)))
        (self._tally.unsure if done is None else self._tally.gone).add(key)


async def _undefine(found: Awaitable[Any]) -> bool:
    await (await found).undefine()
    return True


class NetworkListener(Client):
    """Wants to hear of every definition of a network."""

    async def _work(self, conn: Connection) -> None:
        loop = asyncio.get_running_loop()
        heard: set[str] = set()
        ended = asyncio.Event()
        conn.on_close(lambda reason: ended.set())

        def event(what: Any) -> None:
            heard.add(what.network.name)

        if await self.call(conn.networks.on_event(event, NetworkLifecycleEvent)) is None:
            await conn.close()
            return
        watch = Watch(loop.time(), None, heard)
        self._tally.watches.append(watch)
        await ended.wait()
        watch.ended = loop.time()


async def lost_writes(uris: dict[str, str], tally: Tally) -> list[str]:
    """What was acknowledged and is not so; *uris* are those of the areas by their schemes."""
    there: set[tuple[str, str]] = set()
    for scheme, uri in uris.items():
        kind = KINDS[scheme]
        async with virloom.open(uri) as conn:
            for found in await kind.area(conn).list():
                with contextlib.suppress(VirloomError):
                    there.add((kind.prefix, found.name))
    found = [f"{what} is missing" for what in tally.there if what not in there]
    return found + [f"{what} is there again" for what in tally.gone if what in there]
