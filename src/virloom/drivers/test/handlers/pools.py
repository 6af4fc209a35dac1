# SPDX-License-Identifier: Apache-2.0
"""Storage pools: which there are, and their life."""

from __future__ import annotations

from collections.abc import Callable

from virloom.drivers.runtime.selection import Filters, selected
from virloom.drivers.storage.pools import parse_pool
from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.callbacks import end_registration
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.pool_sources import find_sources
from virloom.drivers.test.storage import StoragePool
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import (
    ConnectListAllStoragePoolsFlags,
    StoragePoolDefineFlags,
    StoragePoolEventLifecycleType,
    StoragePoolState,
)
from virloom.errors import InvalidArg
from virloom.procedures import storage as p
from virloom.procedures.record import Void
from virloom.xml import format_document

_Flags = ConnectListAllStoragePoolsFlags
_Event = StoragePoolEventLifecycleType
_KINDS = {
    _Flags.DIR: "dir", _Flags.FS: "fs", _Flags.NETFS: "netfs", _Flags.LOGICAL: "logical",
    _Flags.DISK: "disk", _Flags.ISCSI: "iscsi", _Flags.SCSI: "scsi", _Flags.MPATH: "mpath",
    _Flags.RBD: "rbd", _Flags.SHEEPDOG: "sheepdog", _Flags.GLUSTER: "gluster",
    _Flags.ZFS: "zfs", _Flags.VSTORAGE: "vstorage", _Flags.ISCSI_DIRECT: "iscsi-direct",
}  # fmt: skip


def _of(kind: str) -> Callable[[StoragePool], bool]:
    return lambda pool: pool.model.type == kind


_FILTERS: Filters[StoragePool] = (
    {_Flags.ACTIVE: lambda pool: pool.active, _Flags.INACTIVE: lambda pool: not pool.active},
    {
        _Flags.PERSISTENT: lambda pool: pool.persistent,
        _Flags.TRANSIENT: lambda pool: not pool.persistent,
    },
    {
        _Flags.AUTOSTART: lambda pool: pool.autostart,
        _Flags.NO_AUTOSTART: lambda pool: not pool.autostart,
    },
    {flag: _of(kind) for flag, kind in _KINDS.items()},
)


class PoolListing:
    """Handlers that list and look up pools, and of their events."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._pools = driver.pools

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
        check_flags(call, args.flags, sum(_Flags))
        found = [pool.ref() for pool in selected(self._pools.all, args.flags, _FILTERS)]
        return p.ConnectListAllStoragePoolsRet(found if args.need_results else [], len(found))

    @serves(p.STORAGE_POOL_LOOKUP_BY_NAME)
    def by_name(
        self, call: Call, args: p.StoragePoolLookupByNameArgs
    ) -> p.StoragePoolLookupByNameRet:
        return p.StoragePoolLookupByNameRet(self._pools.find_name(args.name).ref())

    @serves(p.STORAGE_POOL_LOOKUP_BY_UUID)
    def by_uuid(
        self, call: Call, args: p.StoragePoolLookupByUUIDArgs
    ) -> p.StoragePoolLookupByUUIDRet:
        ref = p.NonnullStoragePool("", args.uuid)
        return p.StoragePoolLookupByUUIDRet(self._pools.find(ref).ref())

    @serves(p.STORAGE_POOL_LOOKUP_BY_VOLUME)
    def by_volume(
        self, call: Call, args: p.StoragePoolLookupByVolumeArgs
    ) -> p.StoragePoolLookupByVolumeRet:
        return p.StoragePoolLookupByVolumeRet(self._pools.find_name(args.vol.pool).ref())

    @serves(p.CONNECT_FIND_STORAGE_POOL_SOURCES)
    def sources(
        self, call: Call, args: p.ConnectFindStoragePoolSourcesArgs
    ) -> p.ConnectFindStoragePoolSourcesRet:
        check_flags(call, args.flags)
        return p.ConnectFindStoragePoolSourcesRet(find_sources(args.type, args.src_spec))

    @serves(p.CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY)
    def register(
        self, call: Call, args: p.ConnectStoragePoolEventRegisterAnyArgs
    ) -> p.ConnectStoragePoolEventRegisterAnyRet:
        key = args.pool.uuid if args.pool is not None else None
        number = self._pools.events.register(call.session, args.event_id, key)
        return p.ConnectStoragePoolEventRegisterAnyRet(number)

    @serves(p.CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY)
    def deregister(self, call: Call, args: p.ConnectStoragePoolEventDeregisterAnyArgs) -> None:
        end_registration(self._pools.events, call.session, args.callback_id)


class PoolLife:
    """Handlers of the life of pools, and of their documents."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._pools = driver.pools
        self._devices = driver.devices

    @serves(p.STORAGE_POOL_DEFINE_XML)
    def define(self, call: Call, args: p.StoragePoolDefineXMLArgs) -> p.StoragePoolDefineXMLRet:
        check_flags(call, args.flags, StoragePoolDefineFlags.VALIDATE)
        model = parse_pool(args.xml, validate=bool(args.flags))
        pool = self._pools.admit(model, live=False)
        pool.persistent = True
        self._pools.tell(pool, _Event.DEFINED)
        return p.StoragePoolDefineXMLRet(pool.ref())

    @serves(p.STORAGE_POOL_CREATE_XML)
    def create_xml(self, call: Call, args: p.StoragePoolCreateXMLArgs) -> p.StoragePoolCreateXMLRet:
        check_flags(call, args.flags)
        pool = self._pools.admit(parse_pool(args.xml), live=True)
        pool.active = True
        self._pools.tell(pool, _Event.STARTED)
        return p.StoragePoolCreateXMLRet(pool.ref())

    @serves(p.STORAGE_POOL_CREATE)
    def create(self, call: Call, args: p.StoragePoolCreateArgs) -> None:
        check_flags(call, args.flags)
        pool = self._pools.find(args.pool).require_inactive()
        pool.active = True
        self._pools.tell(pool, _Event.STARTED)

    @serves(p.STORAGE_POOL_BUILD)
    def build(self, call: Call, args: p.StoragePoolBuildArgs) -> None:
        check_flags(call, args.flags)
        pool = self._pools.find(args.pool).require_inactive()
        self._pools.tell(pool, _Event.CREATED)

    @serves(p.STORAGE_POOL_DELETE)
    def delete(self, call: Call, args: p.StoragePoolDeleteArgs) -> None:
        check_flags(call, args.flags)
        pool = self._pools.find(args.pool).require_inactive()
        self._pools.tell(pool, _Event.DELETED)

    @serves(p.STORAGE_POOL_DESTROY)
    def destroy(self, call: Call, args: p.StoragePoolDestroyArgs) -> None:
        pool = self._pools.find(args.pool).require_active()
        pool.active = False
        self._remove_adapter(pool)
        self._pools.tell(pool, _Event.STOPPED)
        if not pool.persistent:
            self._pools.all.remove(pool)

    def _remove_adapter(self, pool: StoragePool) -> None:
        """The adapter of a pool on Fibre Channel goes with it.

        Raises:
            NoNodeDevice: Nobody has made one; starting such a pool does not.
        """
        adapter = pool.model.source.adapter if pool.model.source is not None else None
        if adapter is not None and adapter.type == "fc_host":
            self._devices.destroy(self._devices.find("scsi_host12"))

    @serves(p.STORAGE_POOL_UNDEFINE)
    def undefine(self, call: Call, args: p.StoragePoolUndefineArgs) -> None:
        pool = self._pools.find(args.pool).require_inactive()
        self._pools.all.remove(pool)
        self._pools.tell(pool, _Event.UNDEFINED)

    @serves(p.STORAGE_POOL_REFRESH)
    def refresh(self, call: Call, args: p.StoragePoolRefreshArgs) -> None:
        check_flags(call, args.flags)
        self._pools.tell_refreshed(self._pools.find(args.pool).require_active())

    @serves(p.STORAGE_POOL_IS_ACTIVE)
    def is_active(self, call: Call, args: p.StoragePoolIsActiveArgs) -> p.StoragePoolIsActiveRet:
        return p.StoragePoolIsActiveRet(int(self._pools.find(args.pool).active))

    @serves(p.STORAGE_POOL_IS_PERSISTENT)
    def is_persistent(
        self, call: Call, args: p.StoragePoolIsPersistentArgs
    ) -> p.StoragePoolIsPersistentRet:
        return p.StoragePoolIsPersistentRet(int(self._pools.find(args.pool).persistent))

    @serves(p.STORAGE_POOL_GET_AUTOSTART)
    def get_autostart(
        self, call: Call, args: p.StoragePoolGetAutostartArgs
    ) -> p.StoragePoolGetAutostartRet:
        return p.StoragePoolGetAutostartRet(int(self._pools.find(args.pool).autostart))

    @serves(p.STORAGE_POOL_SET_AUTOSTART)
    def set_autostart(self, call: Call, args: p.StoragePoolSetAutostartArgs) -> None:
        pool = self._pools.find(args.pool)
        if not pool.persistent:
            raise InvalidArg("pool has no config file", domain=ErrorDomain.TEST)
        pool.autostart = bool(args.autostart)

    @serves(p.STORAGE_POOL_GET_INFO)
    def get_info(self, call: Call, args: p.StoragePoolGetInfoArgs) -> p.StoragePoolGetInfoRet:
        pool = self._pools.find(args.pool)
        state = StoragePoolState.RUNNING if pool.active else StoragePoolState.INACTIVE
        model = pool.model
        return p.StoragePoolGetInfoRet(
            int(state), model.capacity.value or 0, pool.allocation, model.available.value or 0
        )

    @serves(p.STORAGE_POOL_GET_XML_DESC)
    def get_xml_desc(
        self, call: Call, args: p.StoragePoolGetXMLDescArgs
    ) -> p.StoragePoolGetXMLDescRet:
        check_flags(call, args.flags)
        return p.StoragePoolGetXMLDescRet(format_document(self._pools.find(args.pool).model))
