# SPDX-License-Identifier: Apache-2.0
"""Clients that go on whatever happens: they read, write, listen, and note what they were told."""

from __future__ import annotations

import asyncio
import contextlib
import re
import uuid
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, TypeVar

import virloom
from tools.soak.tally import Tally, Watch
from virloom.client.connection import Connection
from virloom.client.domain.events import LifecycleEvent
from virloom.errors import VirloomError

R = TypeVar("R")

#: Seconds after which a call without result and error counts as silent.
_LONGEST = 30.0
#: Seconds between two calls of a client.
_REST = 0.01
#: Written things that one client leaves; older ones it removes.
_LEFT = 20
_SPACE = uuid.UUID("0b2d1d3e-0000-4000-8000-000000000000")


class Client(ABC):
    """One client, over all its connections.

    Args:
        uri: What it opens.
        tally: Where it notes.
    """

    def __init__(self, uri: str, tally: Tally) -> None:
        self._uri = uri
        self._tally = tally

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        while True:
            with contextlib.suppress(VirloomError):  # noted where it was met
                async with asyncio.timeout(_LONGEST):
                    conn = await virloom.open(self._uri)
                try:
                    while not conn.closed:
                        await self._work(conn)
                        await asyncio.sleep(_REST)
                    self._tally.ends += 1
                finally:
                    with contextlib.suppress(VirloomError):
                        await conn.close()
            await asyncio.sleep(_REST)

    @abstractmethod
    async def _work(self, conn: Connection) -> None:
        """What it does over and over."""

    async def call(self, call: Awaitable[R]) -> R | None:
        """Notes the end of a call; None where it has no result."""
        try:
            async with asyncio.timeout(_LONGEST):
                result = await call
        except VirloomError as error:
            self._tally.failed[_kind(error)] += 1
            return None
        except TimeoutError:
            self._tally.silent += 1
            return None
        self._tally.acknowledged += 1
        return result


def _kind(error: VirloomError) -> str:
    """What an error tells, without what differs each time."""
    text = re.sub(r"'[^']*'|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\d+", "...", str(error))
    return text[:70]


class Reader(Client):
    """Lists and looks."""

    async def _work(self, conn: Connection) -> None:
        for dom in (await self.call(conn.list_all_domains()) or [])[:3]:
            await self.call(dom.info())
        await self.call(conn.secrets.list())


class Writer(Client):
    """Defines and undefines domains and secrets with values.

    Args:
        name: What the names of its things begin with.
    """

    def __init__(self, uri: str, tally: Tally, name: str) -> None:
        super().__init__(uri, tally)
        self._name = name
        self._number = 0
        self._left: deque[tuple[str, str]] = deque()

    async def _work(self, conn: Connection) -> None:
        self._number += 1
        name = f"{self._name}-{self._number}"
        await self._define(conn, name)
        await self._keep_secret(conn, name)
        while len(self._left) > _LEFT and not conn.closed:
            await self._remove(conn, *self._left.popleft())

    async def _define(self, conn: Connection, name: str) -> None:
        loop = asyncio.get_running_loop()
        asked = loop.time()
        done = await self.call(conn.define_xml(_domain(name)))
        self._note("domain", name, done, name.encode())
        if done is not None:
            self._tally.defined[name] = asked, loop.time()

    async def _keep_secret(self, conn: Connection, name: str) -> None:
        secret = await self.call(conn.secrets.define_xml(_secret(name)))
        value = name.encode()
        if secret is None:
            self._tally.unsure.add(("secret", name))
            return
        done = await self.call(_set_value(secret, value))
        self._note("secret", name, done, value)

    def _note(self, kind: str, name: str, done: object, value: bytes) -> None:
        if done is None:
            self._tally.unsure.add((kind, name))
        else:
            self._tally.there[kind, name] = value
            self._left.append((kind, name))

    async def _remove(self, conn: Connection, kind: str, name: str) -> None:
        self._tally.there.pop((kind, name))
        if kind == "domain":
            removal = _undefine(conn.lookup_by_name(name))
        else:
            removal = _undefine(conn.secrets.lookup_by_uuid(uuid.uuid5(_SPACE, name)))
        done = await self.call(removal)
        (self._tally.unsure if done is None else self._tally.gone).add((kind, name))


async def _undefine(found: Awaitable[Any]) -> bool:
    await (await found).undefine()
    return True


async def _set_value(secret: Any, value: bytes) -> bool:
    await secret.set_value(value)
    return True


class Listener(Client):
    """Wants to hear of every definition."""

    async def _work(self, conn: Connection) -> None:
        loop = asyncio.get_running_loop()
        heard: set[str] = set()
        ended = asyncio.Event()
        conn.on_close(lambda reason: ended.set())

        def event(what: Any) -> None:
            heard.add(what.domain.name)

        if await self.call(conn.on_event(event, LifecycleEvent)) is None:
            await conn.close()
            return
        watch = Watch(loop.time(), None, heard)
        self._tally.watches.append(watch)
        await ended.wait()
        watch.ended = loop.time()


def _domain(name: str) -> str:
    return (
        f"<domain type='qemu'><name>{name}</name><uuid>{uuid.uuid5(_SPACE, name)}</uuid>"
        "<memory unit='MiB'>32</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64' machine='q35'>hvm</type></os></domain>"
    )


def _secret(name: str) -> str:
    return (
        f"<secret><uuid>{uuid.uuid5(_SPACE, name)}</uuid>"
        f"<usage type='ceph'><name>{name}</name></usage></secret>"
    )


@contextlib.asynccontextmanager
async def working(clients: Sequence[Client]) -> AsyncIterator[None]:
    """All of them work while the block runs."""
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


async def lost_writes(uri: str, tally: Tally) -> list[str]:
    """What was acknowledged and is not so."""
    async with virloom.open(uri) as conn:
        names = {dom.name for dom in await conn.list_all_domains()}
        there = {("domain", name): name.encode() for name in names}
        for secret in await conn.secrets.list():
            with contextlib.suppress(VirloomError):  # defined, and killed before the value
                there["secret", secret.usage_id] = await secret.value()
    found = [f"{what} is missing or different" for what, value in tally.there.items()
             if there.get(what) != value]  # fmt: skip
    return found + [f"{what} is there again" for what in tally.gone if what in there]
