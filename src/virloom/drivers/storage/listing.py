# SPDX-License-Identifier: Apache-2.0
"""Storage pools listed, looked up and listened to, for every driver that has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from virloom.drivers.runtime.arguments import unknown_flags
from virloom.drivers.runtime.object_events import ObjectEvents
from virloom.drivers.runtime.objects import ObjectIndex
from virloom.drivers.runtime.selection import Filters, Kept, kept_filters, selected
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import ConnectListAllStoragePoolsFlags
from virloom.errors import NoStoragePool
from virloom.model.storage import Pool
from virloom.procedures import storage as p
from virloom.procedures.record import Void
from virloom.procedures.storage import NonnullStoragePool

_Flags = ConnectListAllStoragePoolsFlags


class Listed(Kept, Protocol):
    """What lists need to know of a pool."""

    @property
    def model(self) -> Pool:
        """The document that clients see."""
        ...

    def ref(self) -> NonnullStoragePool:
        """What calls name it by."""
        ...


P = TypeVar("P", bound=Listed)


class Holder(Protocol[P]):
    """Who has pools."""

    @property
    def all(self) -> ObjectIndex[P]:
        """The pools."""
        ...

    @property
    def events(self) -> ObjectEvents[bytes]:
        """Who listens."""
        ...


_KINDS = {
    _Flags.DIR: "dir", _Flags.FS: "fs", _Flags.NETFS: "netfs", _Flags.LOGICAL: "logical",
    _Flags.DISK: "disk", _Flags.ISCSI: "iscsi", _Flags.SCSI: "scsi", _Flags.MPATH: "mpath",
    _Flags.RBD: "rbd", _Flags.SHEEPDOG: "sheepdog", _Flags.GLUSTER: "gluster",
    _Flags.ZFS: "zfs", _Flags.VSTORAGE: "vstorage", _Flags.ISCSI_DIRECT: "iscsi-direct",
}  # fmt: skip


def _of(kind: str) -> Callable[[Listed], bool]:
    return lambda pool: pool.model.type == kind


_FILTERS: Filters[Listed] = (
    *kept_filters(_Flags),
    {flag: _of(kind) for flag, kind in _KINDS.items()},
)


class PoolListing(Generic[P]):
    """Handlers that list and look up pools, and of their events.

    Args:
        pools: The driver, or its part that has them.
        domain: Of its errors.
    """

    def __init__(self, pools: Holder[P], domain: ErrorDomain) -> None:
        self._pools = pools
        self._domain = domain

    def _selected(self, flags: int) -> Iterable[Listed]:
        unknown = flags & ~int(sum(_Flags))
        if unknown:
            prefix = "test" if self._domain == ErrorDomain.TEST else "storage"
            raise unknown_flags(unknown, f"{prefix}ConnectListAllStoragePools", self._domain)
        return selected(self._pools.all, flags, _FILTERS)

    def _find_name(self, name: str) -> P:
        pool = self._pools.all.by_name(name)
        if pool is None:
            raise NoStoragePool(f"no storage pool with matching name '{name}'", domain=self._domain)
        return pool

    def _names(self, *, active: bool) -> list[str]:
        return [pool.name for pool in self._pools.all if pool.active == active]

    @serves(p.CONNECT_NUM_OF_STORAGE_POOLS)
    def num_of(self, call: Call, args: Void) -> p.ConnectNumOfStoragePoolsRet:
        return p.ConnectNumOfStoragePoolsRet(len(self._names(active=True)))

    @serves(p.CONNECT_LIST_STORAGE_POOLS)
    def list_names(
        self, call: Call, args: p.ConnectListStoragePoolsArgs
    ) -> p.ConnectListStoragePoolsRet:
        return p.ConnectListStoragePoolsRet(self._names(active=True)[: args.maxnames])

    @serves(p.CONNECT_NUM_OF_DEFINED_STORAGE_POOLS)
    def num_of_defined(self, call: Call, args: Void) -> p.ConnectNumOfDefinedStoragePoolsRet:
        return p.ConnectNumOfDefinedStoragePoolsRet(len(self._names(active=False)))

    @serves(p.CONNECT_LIST_DEFINED_STORAGE_POOLS)
    def list_defined(
        self, call: Call, args: p.ConnectListDefinedStoragePoolsArgs
    ) -> p.ConnectListDefinedStoragePoolsRet:
        return p.ConnectListDefinedStoragePoolsRet(self._names(active=False)[: args.maxnames])

    @serves(p.CONNECT_LIST_ALL_STORAGE_POOLS)
    def list_all(
        self, call: Call, args: p.ConnectListAllStoragePoolsArgs
    ) -> p.ConnectListAllStoragePoolsRet:
        found = [pool.ref() for pool in self._selected(args.flags)]
        return p.ConnectListAllStoragePoolsRet(found if args.need_results else [], len(found))

    @serves(p.STORAGE_POOL_LOOKUP_BY_NAME)
    def by_name(
        self, call: Call, args: p.StoragePoolLookupByNameArgs
    ) -> p.StoragePoolLookupByNameRet:
        return p.StoragePoolLookupByNameRet(self._find_name(args.name).ref())

    @serves(p.STORAGE_POOL_LOOKUP_BY_UUID)
    def by_uuid(
        self, call: Call, args: p.StoragePoolLookupByUUIDArgs
    ) -> p.StoragePoolLookupByUUIDRet:
        pool = self._pools.all.by_uuid(args.uuid)
        if pool is None:
            text = UUID(bytes=args.uuid)
            raise NoStoragePool(f"no storage pool with matching uuid '{text}'", domain=self._domain)
        return p.StoragePoolLookupByUUIDRet(pool.ref())

    @serves(p.STORAGE_POOL_LOOKUP_BY_VOLUME)
    def by_volume(
        self, call: Call, args: p.StoragePoolLookupByVolumeArgs
    ) -> p.StoragePoolLookupByVolumeRet:
        return p.StoragePoolLookupByVolumeRet(self._find_name(args.vol.pool).ref())

    @serves(p.CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY)
    def register(
        self, call: Call, args: p.ConnectStoragePoolEventRegisterAnyArgs
    ) -> p.ConnectStoragePoolEventRegisterAnyRet:
        key = args.pool.uuid if args.pool is not None else None
        number = self._pools.events.register(call.session, args.event_id, key)
        return p.ConnectStoragePoolEventRegisterAnyRet(number)

    @serves(p.CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY)
    def deregister(self, call: Call, args: p.ConnectStoragePoolEventDeregisterAnyArgs) -> None:
        self._pools.events.deregister(call.session, args.callback_id)
