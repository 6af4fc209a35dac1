# SPDX-License-Identifier: Apache-2.0
"""The storage pools of one set of directories, and what may be done to them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar
from uuid import UUID

from virloom.drivers.runtime.autostart import first_since_boot
from virloom.drivers.runtime.index import DocumentIndex
from virloom.drivers.runtime.object_events import ObjectEvents
from virloom.drivers.runtime.objects import ObjectIndex
from virloom.drivers.runtime.store import DocumentStore, check_name
from virloom.drivers.storage import directory
from virloom.drivers.storage.directories import StorageDirectories
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.pools import parse_pool, same_source
from virloom.drivers.storage.record import PoolRecord
from virloom.drivers.storage.volumes import in_bytes
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import StoragePoolEventID, StoragePoolEventLifecycleType
from virloom.errors import (
    InternalError,
    NoStoragePool,
    NoStorageVol,
    OperationFailed,
    OperationInvalid,
    VirloomError,
)
from virloom.host.boot import boot_id
from virloom.host.files import remove_temporaries
from virloom.host.lock import LockHeld, RootLock
from virloom.model.storage import Pool, Volume
from virloom.procedures import storage as p
from virloom.procedures.storage import NonnullStoragePool, NonnullStorageVol
from virloom.xml import format_document

logger = logging.getLogger(__name__)

_DOMAIN = ErrorDomain.STORAGE
T = TypeVar("T")
_Event = StoragePoolEventLifecycleType


class StorageDriver:
    """The sole owner of its directories while it is open.

    Attributes:
        uri: What clients are told.
        all: The pools.
        events: Who listens to what happens to them.
        closing: Set when long work is to be given up.
        store: The persistent documents.
    """

    def __init__(self, directories: StorageDirectories, uri: str) -> None:
        directories.make()
        try:
            self._lock = RootLock.acquire(str(directories.run))
        except LockHeld as exc:
            raise OperationFailed(
                f"another process has the pools of '{directories.config}': {exc}", domain=_DOMAIN
            ) from exc
        self.directories = directories
        self.uri = uri
        self.all: ObjectIndex[StoragePool] = ObjectIndex()
        self.events: ObjectEvents[bytes] = ObjectEvents(
            "storage pool", frozenset(int(event) for event in StoragePoolEventID)
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self.closing = threading.Event()
        self._index = DocumentIndex(directories.cache / "documents.index")
        self.store = DocumentStore(directories.config, directories.autostart, self._index)

    @classmethod
    async def open(cls, directories: StorageDirectories, uri: str) -> StorageDriver:
        """Opens the driver: loads the documents, goes on with active pools, starts the others.

        Raises:
            OperationFailed: Another process has the directories.
            SystemFailure: A directory cannot be used.
        """
        driver = cls(directories, uri)
        try:
            remove_temporaries(directories.config)
            remove_temporaries(directories.run)
            driver.reload()
            await driver._take_over()
            await driver._autostart()
        except BaseException:
            driver._lock.release()
            raise
        return driver

    async def close(self) -> None:
        """Gives long work up, and lets go of everything; active pools stay as they are."""
        self.closing.set()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self.store.settled()
        self._lock.release()

    # -- what is on disk -----------------------------------------------------------------------

    def reload(self) -> None:
        """Takes in documents that came to the disk; those of known pools are left alone."""
        for document in self.store.load():
            if self.all.by_name(document.name) is not None:
                continue
            try:
                model = parse_pool(document.text)
                if model.name != document.name:
                    raise ValueError(f"its name '{model.name}' is not that of its file")
                pool = StoragePool(model)
                pool.definition = model
                pool.autostart = self.store.autostarts(pool.name)
                self.all.add(pool)
            except (VirloomError, ValueError) as exc:
                logger.error("the pool '%s' is left out: %s", document.name, exc)

    async def _take_over(self) -> None:
        """Pools that an earlier daemon started in this boot go on."""
        for path in sorted(self.directories.run.glob("*.json")):
            try:
                record = PoolRecord.load(path)
                if record.boot_id == boot_id():
                    await self._take(parse_pool(record.document))
                    continue
            except (OSError, ValueError, VirloomError) as exc:
                logger.error("the pool of '%s' is not gone on with: %s", path, exc)
            path.unlink(missing_ok=True)

    async def _take(self, model: Pool) -> None:
        pool = self.all.by_uuid(UUID(model.uuid).bytes) or StoragePool(model)
        volumes = await directory.look(model)
        if pool not in self.all:
            self.all.add(pool)
        pool.live, pool.volumes = model, volumes

    async def _autostart(self) -> None:
        """Starts those that start by themselves; one that fails does not keep the others.

        They start once in each boot: whoever stopped one meanwhile does not want it back.
        """
        if not first_since_boot(self.directories.run / "autostarted"):
            return
        for pool in self.all:
            if pool.autostart and not pool.active:
                try:
                    await self.start(pool)
                except VirloomError as exc:
                    logger.error("pool '%s' cannot be started: %s", pool.name, exc)

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

        Raises:
            NoStorageVol: There is none.
        """
        for pool in self.all:
            for volume in pool.volumes.values():
                if value == (volume.key if what == "key" else volume.target.path):
                    return pool, volume
        raise NoStorageVol(f"no storage vol with matching {what} '{value}'", domain=_DOMAIN)

    # -- changing ------------------------------------------------------------------------------

    async def define(self, model: Pool) -> StoragePool:
        """Makes the pool, or gives a known one another document for its next start.

        Raises:
            OperationFailed: The name, the UUID or the storage belongs to another pool.
            SystemFailure: It cannot be written; the former one stays.
        """
        pool = self._admit(model)
        async with pool.changing:

            def durable() -> None:
                pool.definition = model

            await self.store.save(pool.name, pool.uuid, format_document(model), durable)
            if pool not in self.all:
                self.all.add(pool)
        self.tell(pool, _Event.DEFINED)
        return pool

    def _admit(self, model: Pool) -> StoragePool:
        """The pool that *model* describes: a known one, or a new one."""
        name = model.name or ""
        check_name(name, _DOMAIN)
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
        self.tell(pool, _Event.UNDEFINED)

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

    # -- starting and stopping -----------------------------------------------------------------

    async def create_xml(self, model: Pool, *, build: bool) -> StoragePool:
        """Starts a pool that is gone when it is stopped, or a known one with *model*.

        Args:
            build: Its directory is made first.

        Raises:
            OperationInvalid: It is active.
            VirloomError: As :meth:`define` and :meth:`start`.
        """
        pool = self._admit(model)
        async with pool.changing:
            if pool.active:
                raise OperationInvalid(f"pool is already active as '{pool.name}'", domain=_DOMAIN)
            await self._activate(pool, model, build=build)
            if pool not in self.all:
                self.all.add(pool)
        self.tell(pool, _Event.STARTED)
        return pool

    async def start(self, pool: StoragePool, *, build: bool = False) -> None:
        """Starts it.

        Raises:
            OperationInvalid: It is active.
            SystemFailure: Its directory cannot be read.
            ConfigUnsupported: Such pools cannot be started here.
        """
        async with pool.changing:
            await self._activate(pool, pool.require_inactive().model, build=build)
        self.tell(pool, _Event.STARTED)

    async def _activate(self, pool: StoragePool, model: Pool, *, build: bool) -> None:
        if build:
            await directory.build(model)
        volumes = await directory.look(model)
        PoolRecord.now(format_document(model)).save(self.directories.record(pool.name))
        pool.live, pool.volumes = model, volumes

    async def destroy(self, pool: StoragePool) -> None:
        """Stops it; its volumes stay where they are.

        Raises:
            OperationInvalid: It is not active, or a volume is being made.
        """
        async with pool.changing:
            pool.require_active()
            pool.require_rest()
            self._stop(pool)
        self.tell(pool, _Event.STOPPED)

    def _stop(self, pool: StoragePool) -> None:
        self.directories.record(pool.name).unlink(missing_ok=True)
        if not pool.persistent:
            self.all.remove(pool)
            return
        pool.live, pool.volumes = None, {}

    async def refresh(self, pool: StoragePool) -> None:
        """Looks at its volumes again; a pool that cannot be looked at is stopped, as by libvirt.

        Raises:
            OperationInvalid: It is not active, or a volume is being made.
            SystemFailure: Its directory cannot be read.
        """
        async with pool.changing:
            model = pool.require_active().model
            pool.require_rest()
            try:
                pool.volumes = await directory.look(model)
            except VirloomError:
                self._stop(pool)
                self.tell(pool, _Event.STOPPED)
                raise
        self.events.emit(
            StoragePoolEventID.REFRESH,
            pool.uuid,
            p.STORAGE_POOL_EVENT_REFRESH,
            lambda number: p.StoragePoolEventRefreshMsg(number, pool.ref()),
        )

    def refresh_soon(self, pool: StoragePool) -> None:
        """Has its volumes looked at again, without waiting for it."""
        self.keep(self._refresh_quietly(pool))

    def keep(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begins work that goes on when whoever asked for it goes away; a close waits for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _refresh_quietly(self, pool: StoragePool) -> None:
        try:
            if pool.active and not pool.building and not pool.using:
                await self.refresh(pool)
        except VirloomError as exc:
            logger.error("pool '%s' cannot be looked at again: %s", pool.name, exc)

    async def build(self, pool: StoragePool) -> None:
        """Makes its directory.

        Raises:
            OperationInvalid: It is active.
            SystemFailure: It cannot be made.
        """
        async with pool.changing:
            await directory.build(pool.require_inactive().model)
        self.tell(pool, _Event.CREATED)

    async def delete(self, pool: StoragePool) -> None:
        """Removes its directory, which must be empty.

        Raises:
            OperationInvalid: It is active.
            SystemFailure: It cannot be removed.
        """
        async with pool.changing:
            await directory.delete(pool.require_inactive().model)
        self.tell(pool, _Event.DELETED)

    # -- telling -------------------------------------------------------------------------------

    def tell(self, pool: StoragePool, event: StoragePoolEventLifecycleType) -> None:
        """Tells whoever listens of a change in its life."""
        self.events.emit(
            StoragePoolEventID.LIFECYCLE,
            pool.uuid,
            p.STORAGE_POOL_EVENT_LIFECYCLE,
            lambda number: p.StoragePoolEventLifecycleMsg(number, pool.ref(), int(event), 0),
        )


def _failed(what: str) -> OperationFailed:
    return OperationFailed(what, domain=_DOMAIN)
