# SPDX-License-Identifier: Apache-2.0
"""Guests' ends, told by events, by a look after lost ones, and by the end of all events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

from virloom.cli.programs.guests.ending import Endings
from virloom.client.domain.events import LifecycleEvent
from virloom.client.domain.ref import DomainRef
from virloom.client.subscription import EventGap
from virloom.enums.domain import DomainEventStoppedDetailType, DomainEventType
from virloom.errors import NoDomain


class Guest:
    """A guest that runs or does not."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.uuid = uuid4()
        self.active = True

    async def is_active(self) -> bool:
        return self.active

    def event(self, kind: DomainEventType) -> LifecycleEvent:
        """What its connection tells."""
        detail = DomainEventStoppedDetailType.SHUTDOWN
        return LifecycleEvent(DomainRef(self.name, self.uuid), kind, detail)


class Connection:
    """What of a connection is used: its events and the look-up."""

    def __init__(self, *guests: Guest) -> None:
        self.guests = {guest.uuid: guest for guest in guests}
        self.told: asyncio.Queue[Any] = asyncio.Queue()

    @contextlib.asynccontextmanager
    async def lifecycle_events(self) -> AsyncIterator[AsyncIterator[Any]]:
        yield self._events()

    async def lookup_by_uuid(self, uuid: UUID) -> Guest:
        if uuid not in self.guests:
            raise NoDomain(str(uuid))
        return self.guests[uuid]

    async def _events(self) -> AsyncIterator[Any]:
        while (event := await self.told.get()) is not None:
            yield event


async def test_an_event_tells() -> None:
    one, two = Guest("one"), Guest("two")
    connection: Any = Connection(one, two)
    async with Endings(connection) as endings, asyncio.timeout(5):
        ends = [await endings.of(guest) for guest in (one, two)]  # type: ignore[arg-type]
        connection.told.put_nowait(two.event(DomainEventType.SHUTDOWN))
        connection.told.put_nowait(two.event(DomainEventType.STOPPED))
        assert await ends[1] is True
        assert not ends[0].done()


async def test_one_that_has_ended_already() -> None:
    guest = Guest("gone")
    guest.active = False
    connection: Any = Connection(guest)
    async with Endings(connection) as endings:
        assert (await endings.of(guest)).done()  # type: ignore[arg-type]


async def test_after_lost_events_it_looks() -> None:
    stopped, gone, runs = Guest("stopped"), Guest("gone"), Guest("runs")
    connection: Any = Connection(stopped, gone, runs)
    async with Endings(connection) as endings, asyncio.timeout(5):
        ends = [await endings.of(guest) for guest in (stopped, gone, runs)]  # type: ignore[arg-type]
        stopped.active = False
        del connection.guests[gone.uuid]
        connection.told.put_nowait(EventGap(1))
        await asyncio.gather(*ends[:2])
        assert not ends[2].done()


async def test_without_a_daemon_nobody_waits_or_knows() -> None:
    guest = Guest("one")
    connection: Any = Connection(guest)
    async with Endings(connection) as endings, asyncio.timeout(5):
        end = await endings.of(guest)  # type: ignore[arg-type]
        connection.told.put_nowait(None)
        assert await end is False
