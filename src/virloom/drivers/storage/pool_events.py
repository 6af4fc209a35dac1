# SPDX-License-Identifier: Apache-2.0
"""Who is told of what happens to pools."""

from __future__ import annotations

from virloom.drivers.runtime.object_events import ObjectEvents
from virloom.drivers.storage.pool import StoragePool
from virloom.enums.storage import StoragePoolEventID, StoragePoolEventLifecycleType
from virloom.procedures import storage as p


class PoolEvents(ObjectEvents[bytes]):
    """The registrations, and the two events that there are."""

    def __init__(self) -> None:
        super().__init__("storage pool", frozenset(int(event) for event in StoragePoolEventID))

    def changed(self, pool: StoragePool, event: StoragePoolEventLifecycleType) -> None:
        """Tells of a change in its life."""
        self.emit(
            StoragePoolEventID.LIFECYCLE,
            pool.uuid,
            p.STORAGE_POOL_EVENT_LIFECYCLE,
            lambda number: p.StoragePoolEventLifecycleMsg(number, pool.ref(), int(event), 0),
        )

    def refreshed(self, pool: StoragePool) -> None:
        """Tells that its volumes were looked at again."""
        self.emit(
            StoragePoolEventID.REFRESH,
            pool.uuid,
            p.STORAGE_POOL_EVENT_REFRESH,
            lambda number: p.StoragePoolEventRefreshMsg(number, pool.ref()),
        )
