# SPDX-License-Identifier: Apache-2.0
"""Which guests of a connection have ended, told by its events."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self
from uuid import UUID

from virloom.client.connection import Connection
from virloom.client.domain.domain import Domain
from virloom.client.subscription import EventGap
from virloom.enums.domain import DomainEventType
from virloom.errors import NoDomain, VirloomError


class Endings:
    """Watches a connection for as long as the block runs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ends: dict[UUID, asyncio.Future[bool]] = {}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        events = await self._stack.enter_async_context(self._connection.lifecycle_events())

        async def follow() -> None:
            with contextlib.suppress(VirloomError):
                async for event in events:
                    if isinstance(event, EventGap):
                        await self._look_again()
                    elif event.event == DomainEventType.STOPPED:
                        self._ended(event.domain.uuid)
            for uuid in list(self._ends):  # with their daemon, nobody can say any more
                self._ended(uuid, known=False)

        task = asyncio.create_task(follow())
        self._stack.push_async_callback(_cancelled, task)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def of(self, guest: Domain) -> asyncio.Future[bool]:
        """True when the guest has ended, at once where it has already; False: nobody can tell."""
        future = asyncio.get_running_loop().create_future()
        self._ends[guest.uuid] = future
        if not await _runs(guest):
            self._ended(guest.uuid)
        return future

    async def _look_again(self) -> None:
        for uuid in list(self._ends):
            try:
                guest = await self._connection.lookup_by_uuid(uuid)
            except NoDomain:
                self._ended(uuid)
            else:
                if not await _runs(guest):
                    self._ended(uuid)

    def _ended(self, uuid: UUID, *, known: bool = True) -> None:
        future = self._ends.get(uuid)
        if future is not None and not future.done():
            future.set_result(known)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _runs(guest: Domain) -> bool:
    try:
        return await guest.is_active()
    except NoDomain:
        return False
