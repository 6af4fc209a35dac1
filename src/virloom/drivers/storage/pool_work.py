# SPDX-License-Identifier: Apache-2.0
"""What is done to pools: built, started, looked at again, stopped, deleted.

All of it goes on when whoever asked for it goes away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from virloom.drivers.runtime.objects import ObjectIndex
from virloom.drivers.storage.activation import Activation
from virloom.drivers.storage.ongoing import Ongoing
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.pool_events import PoolEvents
from virloom.drivers.storage.pools import parse_pool
from virloom.drivers.storage.record import PoolRecord
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import StoragePoolEventLifecycleType as _Event
from virloom.errors import OperationInvalid, VirloomError
from virloom.model.storage import Pool

logger = logging.getLogger(__name__)

_DOMAIN = ErrorDomain.STORAGE


class PoolWork:
    """Work at pools.

    Args:
        pools: The driver's.
        activation: How they are started and stopped.
        events: Who is told.
        ongoing: Where work is kept.
    """

    def __init__(
        self,
        pools: ObjectIndex[StoragePool],
        activation: Activation,
        events: PoolEvents,
        ongoing: Ongoing,
    ) -> None:
        self._pools = pools
        self._activation = activation
        self._events = events
        self._ongoing = ongoing

    async def create_xml(self, pool: StoragePool, model: Pool, *, build: int | None) -> None:
        """Starts *pool* with *model*; a pool that is not defined is gone when it is stopped.

        Args:
            build: It is built first, with these flags.

        Raises:
            OperationInvalid: It is active.
            VirloomError: It cannot be built or started.
        """
        await self._kept(self._create_xml(pool, model, build))

    async def _create_xml(self, pool: StoragePool, model: Pool, build: int | None) -> None:
        async with pool.changing:
            if pool.active:
                raise OperationInvalid(f"pool is already active as '{pool.name}'", domain=_DOMAIN)
            await self._activation.start(pool, model, build)
            if pool not in self._pools:
                self._pools.add(pool)
        self._events.changed(pool, _Event.STARTED)

    async def start(self, pool: StoragePool, *, build: int | None = None) -> None:
        """Starts it, after a build with those flags if there are any.

        Raises:
            OperationInvalid: It is active.
            VirloomError: It cannot be built or started.
        """
        await self._kept(self._start(pool, build))

    async def _start(self, pool: StoragePool, build: int | None) -> None:
        async with pool.changing:
            await self._activation.start(pool, pool.require_inactive().model, build)
        self._events.changed(pool, _Event.STARTED)

    async def destroy(self, pool: StoragePool) -> None:
        """Stops it; its volumes stay where they are.

        Raises:
            OperationInvalid: It is not active, or a volume is being made.
            VirloomError: It cannot be stopped, and stays active.
        """
        await self._kept(self._destroy(pool))

    async def _destroy(self, pool: StoragePool) -> None:
        async with pool.changing:
            pool.require_active()
            pool.require_rest()
            await self._stop(pool)
        self._events.changed(pool, _Event.STOPPED)

    async def _stop(self, pool: StoragePool) -> None:
        await self._activation.stop(pool.model)
        if not pool.persistent:
            self._pools.remove(pool)
            return
        pool.live, pool.volumes = None, {}

    async def refresh(self, pool: StoragePool) -> None:
        """Looks at its volumes again; a pool that cannot be looked at is stopped, as by libvirt.

        Raises:
            OperationInvalid: It is not active, or a volume is being made.
            VirloomError: It cannot be looked at.
        """
        await self._kept(self._refresh(pool))

    async def _refresh(self, pool: StoragePool) -> None:
        async with pool.changing:
            model = pool.require_active().model
            pool.require_rest()
            try:
                pool.volumes = await self._activation.backend(model.type or "").look(model)
            except VirloomError:
                await self._stop(pool)
                self._events.changed(pool, _Event.STOPPED)
                raise
        self._events.refreshed(pool)

    def refresh_soon(self, pool: StoragePool) -> None:
        """Has its volumes looked at again, without waiting for it."""
        self._ongoing.keep(self._refresh_quietly(pool))

    async def _refresh_quietly(self, pool: StoragePool) -> None:
        try:
            if pool.active and not pool.building and not pool.using:
                await self._refresh(pool)
        except VirloomError as exc:
            logger.error("pool '%s' cannot be looked at again: %s", pool.name, exc)

    async def build(self, pool: StoragePool, flags: int) -> None:
        """Makes what it needs before it can be started.

        Raises:
            OperationInvalid: It is active.
            VirloomError: It cannot be made.
        """
        await self._kept(self._build(pool, flags))

    async def _build(self, pool: StoragePool, flags: int) -> None:
        async with pool.changing:
            await self._activation.build(pool.require_inactive().model, flags)
        self._events.changed(pool, _Event.CREATED)

    async def delete(self, pool: StoragePool, flags: int) -> None:
        """Removes what a build makes.

        Raises:
            OperationInvalid: It is active.
            VirloomError: It cannot be removed, or such pools are not.
        """
        await self._kept(self._delete(pool, flags))

    async def _delete(self, pool: StoragePool, flags: int) -> None:
        async with pool.changing:
            await self._activation.delete(pool.require_inactive().model, flags)
        self._events.changed(pool, _Event.DELETED)

    async def take_over(self, record: PoolRecord) -> None:
        """Goes on with a pool that an earlier daemon had active in this boot.

        Raises:
            VirloomError: Its record makes no sense, or what was begun cannot be undone.
        """
        model = parse_pool(record.document)
        pool = self._pools.by_uuid(UUID(model.uuid).bytes) or StoragePool(model)
        async with pool.changing:
            volumes = await self._activation.resume(model, record.phase, record.making)
            if volumes is None:
                return
            pool.live, pool.volumes = model, volumes
            if pool not in self._pools:
                self._pools.add(pool)

    async def _kept(self, work: Coroutine[Any, Any, None]) -> None:
        await asyncio.shield(self._ongoing.keep(work))
