# SPDX-License-Identifier: Apache-2.0
"""What is done to volumes of a pool, and who is kept from disturbing it."""

from __future__ import annotations

import asyncio

from virloom.drivers.storage.driver import StorageDriver
from virloom.drivers.storage.long_work import LongWork
from virloom.drivers.storage.pool import Building, StoragePool
from virloom.drivers.storage.resizing import new_capacity
from virloom.drivers.storage.wiping import check_algorithm
from virloom.enums.storage import StorageVolResizeFlags
from virloom.model.storage import Volume


class VolumeWork:
    """Long work at the volumes of *driver*; it goes on when whoever asked for it goes away."""

    def __init__(self, driver: StorageDriver) -> None:
        self._driver = driver

    async def make(
        self, pool: StoragePool, model: Volume, *, metadata: bool,
        origin: tuple[StoragePool, Volume] | None = None, reflink: bool = False,
    ) -> Volume:  # fmt: skip
        """Makes a volume of an active pool.

        Args:
            metadata: Its tables are written for all of its capacity.
            origin: The volume whose content it gets.
            reflink: It is to share the blocks of that.

        Raises:
            StorageVolExist: There is one of that name.
            VirloomError: As :meth:`Backend.make`; nothing is left of the attempt.
        """
        self._driver.backend(pool).check_new(pool, model)
        if origin is not None:
            origin[0].require_settled(origin[1])
        building = Building(model, LongWork())
        pool.building[model.name or ""] = building
        making = self._make(pool, model, building.work, metadata, origin, reflink)
        return await asyncio.shield(self._driver.ongoing.keep(making, building.work))

    async def _make(
        self, pool: StoragePool, model: Volume, work: LongWork, metadata: bool,
        origin: tuple[StoragePool, Volume] | None, reflink: bool,
    ) -> Volume:  # fmt: skip
        name = model.name or ""
        try:
            async with self._driver.activation.altering(pool, name, work) as backend:
                if origin is None:
                    volume = await backend.make(pool.model, model, metadata=metadata)
                else:
                    with origin[0].in_use(origin[1]):
                        volume = await backend.make(
                            pool.model, model, metadata=metadata, origin=origin[1], reflink=reflink
                        )
                pool.volumes[name] = volume
        finally:
            del pool.building[name]
            work.ended.set()
        await backend.measure(pool.model, pool.volumes)
        return volume

    async def delete(self, pool: StoragePool, volume: Volume, flags: int) -> None:
        """Removes a volume; the making of one that is not whole is given up.

        Args:
            flags: Of ``StorageVolDeleteFlags``.

        Raises:
            OperationInvalid: Somebody copies or wipes it.
            SystemFailure: It cannot be removed.
        """
        building = pool.building.get(volume.name or "")
        if building is not None:
            building.work.give_up()
            await building.work.ended.wait()
            made = pool.volumes.get(volume.name or "")
            if made is None:
                return
            volume = made  # it was whole by then
        pool.require_unused(volume)
        async with self._driver.activation.altering(pool, volume.name or "") as backend:
            left = await backend.remove(pool.model, volume, flags)
        if left is not None:
            pool.volumes = left
        pool.volumes.pop(volume.name or "", None)
        await backend.measure(pool.model, pool.volumes)

    async def wipe(self, pool: StoragePool, volume: Volume, algorithm: int) -> None:
        """Overwrites what is in a volume; it is looked at again then.

        Raises:
            OperationInvalid: Somebody copies or wipes it, or a guest has it open.
            VirloomError: As :meth:`Backend.wipe`.
        """
        check_algorithm(algorithm)
        self._driver.backend(pool).check_wipe(volume, algorithm)
        pool.require_idle(volume)
        long = LongWork()
        wiping = self._wipe(pool, volume, algorithm, long)
        await asyncio.shield(self._driver.ongoing.keep(wiping, long))

    async def _wipe(
        self, pool: StoragePool, volume: Volume, algorithm: int, long: LongWork
    ) -> None:
        name, backend = volume.name or "", self._driver.backend(pool, long)
        with pool.in_use(volume):
            await backend.wipe(pool.model, volume, algorithm)
        fresh = await backend.fresh(pool.model, volume, probing=True)
        if pool.volumes.get(name) is volume:
            pool.volumes[name] = fresh

    async def resize(self, pool: StoragePool, volume: Volume, capacity: int, flags: int) -> None:
        """Gives a volume another capacity; nobody copies, wipes or removes it meanwhile.

        Args:
            capacity: As :func:`new_capacity` has it.
            flags: Of ``StorageVolResizeFlags``.

        Raises:
            OperationInvalid: Somebody makes, copies, wipes or resizes it.
            VirloomError: As :func:`new_capacity` and :meth:`Backend.resize`.
        """
        pool.require_unused(volume)
        wanted = new_capacity(volume, pool.model.available.value or 0, capacity, flags)
        long = LongWork()
        resizing = self._resize(pool, volume, wanted, flags, long)
        await asyncio.shield(self._driver.ongoing.keep(resizing, long))

    async def _resize(
        self, pool: StoragePool, volume: Volume, capacity: int, flags: int, long: LongWork
    ) -> None:
        backend = self._driver.backend(pool, long)
        with pool.in_use(volume):
            await backend.resize(
                pool.model, volume, capacity,
                allocate=bool(flags & StorageVolResizeFlags.ALLOCATE),
                shrink=bool(flags & StorageVolResizeFlags.SHRINK),
            )  # fmt: skip
            fresh = await backend.fresh(pool.model, volume)
        if pool.volumes.get(volume.name or "") is volume:
            pool.volumes[volume.name or ""] = fresh
        await backend.measure(pool.model, pool.volumes)
