# SPDX-License-Identifier: Apache-2.0
"""What happens to storage pools, as typed events."""

from __future__ import annotations

from typing import Any

from virloom.client.families import Family, Kind
from virloom.client.params import member
from virloom.client.storage.ref import PoolRef
from virloom.client.value import Value
from virloom.enums.storage import StoragePoolEventID, StoragePoolEventLifecycleType
from virloom.procedures import storage as p


class PoolEvent(Value):
    """The base of all of them."""

    pool: PoolRef


class PoolLifecycleEvent(PoolEvent):
    """Defined, undefined, started, stopped, created, deleted."""

    event: StoragePoolEventLifecycleType | int
    detail: int


class PoolRefreshEvent(PoolEvent):
    """The list of its volumes was read anew."""


def _lifecycle(message: Any) -> PoolLifecycleEvent:
    event = member(StoragePoolEventLifecycleType, message.event)
    return PoolLifecycleEvent(PoolRef.of_wire(message.pool), event, message.detail)


def _refresh(message: Any) -> PoolRefreshEvent:
    return PoolRefreshEvent(PoolRef.of_wire(message.pool))


FAMILY = Family(
    p.CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY,
    p.CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY,
    {
        StoragePoolEventID.LIFECYCLE: Kind(
            p.STORAGE_POOL_EVENT_LIFECYCLE, PoolLifecycleEvent, _lifecycle
        ),
        StoragePoolEventID.REFRESH: Kind(p.STORAGE_POOL_EVENT_REFRESH, PoolRefreshEvent, _refresh),
    },
)
