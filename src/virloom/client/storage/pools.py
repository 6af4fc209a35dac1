# SPDX-License-Identifier: Apache-2.0
"""What a connection knows to do with storage pools: make, find, list and watch them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from virloom.client.families import Kinds, Watchable
from virloom.client.link import text_of
from virloom.client.resource import uuid_of
from virloom.client.storage.events import FAMILY, PoolEvent
from virloom.client.storage.pool import StoragePool
from virloom.client.storage.ref import PoolRef, VolumeRef
from virloom.client.subscription import QUEUE_SIZE, EventStream
from virloom.procedures import storage as p

if TYPE_CHECKING:
    from virloom.xml import Element


class StoragePools(Watchable):
    """``conn.storage_pools``."""

    _family = FAMILY

    async def create_xml(self, document: str | Element, flags: int = 0) -> StoragePool:
        """Starts a pool from its document, without defining it (StoragePoolCreateFlags)."""
        args = p.StoragePoolCreateXMLArgs(text_of(document), flags)
        return self._pool((await self._link.call(p.STORAGE_POOL_CREATE_XML, args)).pool)

    async def define_xml(self, document: str | Element, flags: int = 0) -> StoragePool:
        """Defines a pool, or changes its definition (StoragePoolDefineFlags)."""
        args = p.StoragePoolDefineXMLArgs(text_of(document), flags)
        return self._pool((await self._link.call(p.STORAGE_POOL_DEFINE_XML, args)).pool)

    def pool(self, ref: PoolRef) -> StoragePool:
        """The object of a pool that an event names; asks nobody."""
        return StoragePool(self._link, ref)

    async def lookup_by_name(self, name: str) -> StoragePool:
        """Finds a pool.

        Raises:
            NoStoragePool: There is none of that name.
        """
        args = p.StoragePoolLookupByNameArgs(name)
        return self._pool((await self._link.call(p.STORAGE_POOL_LOOKUP_BY_NAME, args)).pool)

    async def lookup_by_uuid(self, uuid: UUID | str) -> StoragePool:
        """Finds a pool.

        Raises:
            InvalidArg: *uuid* is a text that is none.
            NoStoragePool: There is none with it.
        """
        args = p.StoragePoolLookupByUUIDArgs(uuid_of(uuid).bytes)
        return self._pool((await self._link.call(p.STORAGE_POOL_LOOKUP_BY_UUID, args)).pool)

    async def lookup_by_volume(self, volume: VolumeRef) -> StoragePool:
        """The pool of a volume (``volume.ref``)."""
        args = p.StoragePoolLookupByVolumeArgs(volume.wire)
        return self._pool((await self._link.call(p.STORAGE_POOL_LOOKUP_BY_VOLUME, args)).pool)

    async def lookup_by_target_path(self, path: str) -> StoragePool:
        """Finds the pool whose volumes appear under that directory.

        Raises:
            NoStoragePool: There is none.
        """
        args = p.StoragePoolLookupByTargetPathArgs(path)
        ret = await self._link.call(p.STORAGE_POOL_LOOKUP_BY_TARGET_PATH, args)
        return self._pool(ret.pool)

    async def list(self, flags: int = 0) -> list[StoragePool]:
        """All pools, or some (:class:`~virloom.enums.storage.ConnectListAllStoragePoolsFlags`)."""
        args = p.ConnectListAllStoragePoolsArgs(1, flags)
        ret = await self._link.call(p.CONNECT_LIST_ALL_STORAGE_POOLS, args)
        return [self._pool(pool) for pool in ret.pools]

    async def find_sources(self, type: str, document: str | None = None, flags: int = 0) -> str:
        """What pools of a type could be made of here: a document of sources.

        Args:
            type: Such as ``logical`` or ``netfs``.
            document: Where to look, for those types that need it.
            flags: None are known.
        """
        args = p.ConnectFindStoragePoolSourcesArgs(type, document, flags)
        return (await self._link.call(p.CONNECT_FIND_STORAGE_POOL_SOURCES, args)).xml

    async def capabilities(self, flags: int = 0) -> str:
        """Which types of pools the host can have: the storagepoolCapabilities document."""
        args = p.ConnectGetStoragePoolCapabilitiesArgs(flags)
        ret = await self._link.call(p.CONNECT_GET_STORAGE_POOL_CAPABILITIES, args)
        return ret.capabilities

    def events(
        self, kind: Kinds = None, *, only: PoolRef | None = None, queue: int = QUEUE_SIZE
    ) -> EventStream[PoolEvent]:
        """Events as an async iterator (see :class:`~virloom.client.subscription.EventStream`).

        Args:
            kind: An event class, or several of them or of libvirt's event ids; None for all.
            only: Only those of this pool (``pool.ref``).
            queue: How many events may wait before the reader is told of a gap.
        """
        topics = FAMILY.topics(kind, only)
        return EventStream(self._hub, topics, queue, partly=kind is None)

    def _pool(self, pool: p.NonnullStoragePool) -> StoragePool:
        return self.pool(PoolRef.of_wire(pool))
