# SPDX-License-Identifier: Apache-2.0
"""The storage pools of one set of directories, and what may be done to them."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from virloom.drivers.runtime.autostart import start_once
from virloom.drivers.runtime.index import DocumentIndex
from virloom.drivers.runtime.loading import take_in
from virloom.drivers.runtime.objects import ObjectIndex
from virloom.drivers.runtime.store import DocumentStore, check_name
from virloom.drivers.storage.activation import Activation
from virloom.drivers.storage.backends import GONE, Backend
from virloom.drivers.storage.directories import StorageDirectories
from virloom.drivers.storage.host import StorageHost
from virloom.drivers.storage.long_work import LongWork
from virloom.drivers.storage.ongoing import Ongoing
from virloom.drivers.storage.overlaps import same_directory
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.pool_events import PoolEvents
from virloom.drivers.storage.pool_work import PoolWork
from virloom.drivers.storage.pools import parse_pool, same_source, sanitized
from virloom.drivers.storage.record import PoolRecord
from virloom.drivers.storage.volumes import in_bytes
from virloom.endpoint.areas import Areas
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import StoragePoolEventLifecycleType
from virloom.errors import (
    InternalError,
    NoStoragePool,
    NoStorageVol,
    OperationFailed,
    VirloomError,
)
from virloom.host.boot import boot_id
from virloom.host.files import remove_temporaries
from virloom.host.lock import lock_directory
from virloom.model.storage import Pool, Volume
from virloom.procedures.storage import NonnullStoragePool, NonnullStorageVol
from virloom.xml import format_document

logger = logging.getLogger(__name__)

_DOMAIN = ErrorDomain.STORAGE
#: Kinds of volumes whose paths are addresses.
_ADDRESSED = ("network", "netdir")
T = TypeVar("T")
_Event = StoragePoolEventLifecycleType
#: Seconds that an open waits for programs of an earlier daemon.
_PATIENCE = 2.0


class StorageDriver:
    """The sole owner of its directories while it is open.

    Attributes:
        uri: What clients are told.
        all: The pools.
        events: Who listens to what happens to them.
        ongoing: Work that goes on when whoever asked for it goes away.
        activation: How pools are started, and their volumes changed, safe from kills.
        work: What is done to pools.
        store: The persistent documents.
    """

    def __init__(
        self, directories: StorageDirectories, uri: str, areas: Areas | None = None
    ) -> None:
        directories.make()
        refusal = f"another process has the pools of '{directories.config}'"
        self._lock = lock_directory(directories.run, refusal, _DOMAIN)
        self.directories = directories
        self.uri = uri
        self.all: ObjectIndex[StoragePool] = ObjectIndex()
        self.events = PoolEvents()
        self.ongoing = Ongoing()
        self.activation = Activation(directories, StorageHost(areas=areas, holds=self.holds))
        self.work = PoolWork(self.all, self.activation, self.events, self.ongoing)
        self._index = DocumentIndex(directories.cache / "documents.index")
        self.store = DocumentStore(directories.config, directories.autostart, self._index)

    @classmethod
    async def open(
        cls, directories: StorageDirectories, uri: str, areas: Areas | None = None
    ) -> StorageDriver:
        """Opens the driver: loads the documents, goes on with active pools, starts the others.

        Args:
            areas: Where secrets come from.

        Raises:
            OperationFailed: Another process has the directories.
            SystemFailure: A directory cannot be used.
        """
        driver = cls(directories, uri, areas)
        try:
            remove_temporaries(directories.config)
            remove_temporaries(directories.run)
            driver.reload()
            await driver._take_over()
            mark = directories.run / "autostarted"
            await start_once(mark, driver.all, driver.work.start, "pool")
        except BaseException:
            driver._lock.release()
            raise
        return driver

    async def close(self) -> None:
        """Gives long work up, and lets go of everything; active pools stay as they are."""
        await self.ongoing.close()
        await self.store.settled()
        self._lock.release()

    # -- what is on disk -----------------------------------------------------------------------

    def reload(self) -> None:
        """Takes in documents that came to the disk; those of known pools are left alone."""
        take_in(self.store, self.all, self._read, "pool")

    def _read(self, text: str) -> StoragePool:
        model = parse_pool(text)
        pool = StoragePool(model)
        pool.definition = model
        pool.autostart = self.store.autostarts(pool.name)
        return pool

    async def _take_over(self) -> None:
        """Pools that an earlier daemon started in this boot go on.

        Where a program of that daemon still works at one, it is waited for, though not long: the
        pool comes by itself then.
        """
        self.activation.remove_claims()
        work = [
            self.ongoing.keep(self._take(path))
            for path in sorted(self.directories.run.glob("*.json"))
        ]
        if work:
            await asyncio.wait(work, timeout=_PATIENCE)

    async def _take(self, path: Path) -> None:
        record = _read(path)
        if record is None:
            return
        try:
            await self.work.take_over(record)
        except VirloomError as exc:  # the record stays: what it tells of may be there still
            logger.error("the pool of '%s' is not gone on with: %s", path, exc)

    def backend_of(self, kind: str) -> Backend:
        """What a kind of pools does in its own way.

        Raises:
            InternalError: There is no such kind here.
        """
        return self.activation.backend(kind)

    def backend(self, pool: StoragePool, work: LongWork | None = None) -> Backend:
        """The back end of a pool, for a piece of work, as :meth:`backend_of`."""
        return self.activation.backend(pool.model.type or "", work)

    # -- looking -------------------------------------------------------------------------------

    def find(self, ref: NonnullStoragePool) -> StoragePool:
        """The pool that a call names.

        Raises:
            NoStoragePool: There is none.
        """
        pool = self.all.by_uuid(ref.uuid)
        if pool is None:
            raise NoStoragePool(
                f"no storage pool with matching uuid '{UUID(bytes=ref.uuid)}' ({ref.name})",
                domain=_DOMAIN,
            )
        return pool

    def find_volume(self, ref: NonnullStorageVol) -> tuple[StoragePool, Volume]:
        """The volume that a call names, and its pool.

        Raises:
            NoStoragePool, NoStorageVol: There is none.
            OperationInvalid: The pool is not active.
        """
        pool = self.all.by_name(ref.pool)
        if pool is None:
            raise NoStoragePool(f"no storage pool with matching name '{ref.pool}'", domain=_DOMAIN)
        return pool, pool.require_active().volume(ref.name)

    def search(self, what: str, value: str) -> tuple[StoragePool, Volume]:
        """The volume of an active pool with that key or path.

        Needless slashes of a path do not count; where a path is an address, all do.

        Raises:
            NoStorageVol: There is none.
        """
        place = sanitized(value) if what == "path" else value
        for pool in self.all:
            for volume in pool.all_volumes().values():
                wanted = value if volume.type in _ADDRESSED else place
                if wanted == (volume.key if what == "key" else volume.target.path):
                    return pool, volume
        raise NoStorageVol(f"no storage vol with matching {what} '{value}'", domain=_DOMAIN)

    # -- changing ------------------------------------------------------------------------------

    def holds(self, path: str) -> bool:
        """Whether the file at *path* is a volume of an active pool, or in the directory of one."""
        real = os.path.realpath(path)
        for pool in list(self.all):
            if pool.live is None:
                continue
            if any(volume.target.path == path for volume in list(pool.volumes.values())):
                return True
            place = pool.live.target.path
            if place and os.path.dirname(real) == os.path.realpath(place):
                return True
        return False

    async def define(self, model: Pool) -> StoragePool:
        """Makes the pool, or gives a known one another document for its next start.

        Raises:
            OperationFailed: The name, the UUID or the storage belongs to another pool.
            SystemFailure: It cannot be written; the former one stays.
        """
        await self.check_directory(model)
        pool = self.admit(model)
        async with pool.changing:

            def durable() -> None:
                pool.definition = model

            await self.store.save(pool.name, pool.uuid, format_document(model), durable)
            if pool not in self.all:
                self.all.add(pool)
        self.events.changed(pool, _Event.DEFINED)
        return pool

    async def check_directory(self, model: Pool) -> None:
        """Refuses a pool on the directory of another one, by whatever path it leads there.

        Raises:
            OperationFailed: Another pool has the directory.
        """
        others = [one for pool in self.all for one in pool.documents if pool.name != model.name]
        other = await asyncio.to_thread(same_directory, model, others)
        if other is not None:
            raise _failed(
                f"Storage source conflict with pool: '{other.name}', whose directory "
                f"'{other.target.path}' is the same as '{model.target.path}'"
            )

    def admit(self, model: Pool) -> StoragePool:
        """The pool that *model* describes: a known one, or a new one that is nowhere yet.

        Raises:
            OperationFailed: The name, the UUID or the storage belongs to another pool.
        """
        name = model.name or ""
        if model.type in GONE:
            self.backend_of(model.type or "")
        for amount in ("capacity", "allocation", "available"):
            setattr(model, amount, in_bytes(0))
        pool = self.all.by_uuid(UUID(model.uuid).bytes)
        if pool is not None and pool.name != name:
            raise _failed(f"pool '{pool.name}' is already defined with uuid {model.uuid}")
        namesake = self.all.by_name(name)
        if pool is None and namesake is not None:
            raise _failed(f"pool '{name}' already exists with uuid {namesake.model.uuid}")
        for other in self.all:
            if other is not pool and any(same_source(one, model) for one in other.documents):
                raise _failed(f"Storage source conflict with pool: '{other.name}'")
        check_name(name, _DOMAIN)
        return pool or StoragePool(model)

    async def undefine(self, pool: StoragePool) -> None:
        """Forgets its document; its volumes stay.

        Raises:
            OperationInvalid: It is active.
        """
        async with pool.changing:
            pool.require_inactive()
            await self.store.delete(pool.name)
            pool.autostart = False
            self.all.remove(pool)
        self.events.changed(pool, _Event.UNDEFINED)

    async def set_autostart(self, pool: StoragePool, on: bool) -> None:
        """Has it start with the driver, or not.

        Raises:
            InternalError: It is transient (libvirt's code for it).
        """
        async with pool.changing:
            if not pool.persistent:
                raise InternalError("pool has no config file", domain=_DOMAIN)
            await self.store.set_autostart(pool.name, on)
            pool.autostart = on


def _read(path: Path) -> PoolRecord | None:
    """A record of this boot; others are removed."""
    try:
        record = PoolRecord.load(path)
        if record.boot_id == boot_id():
            return record
    except (OSError, ValueError) as exc:
        logger.error("the pool of '%s' is not gone on with: %s", path, exc)
    path.unlink(missing_ok=True)
    return None


def _failed(what: str) -> OperationFailed:
    return OperationFailed(what, domain=_DOMAIN)
