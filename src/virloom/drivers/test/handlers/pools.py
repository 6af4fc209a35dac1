# SPDX-License-Identifier: Apache-2.0
"""Storage pools: which there are, and their life."""

from __future__ import annotations

from virloom.drivers.storage import listing
from virloom.drivers.storage.pools import parse_pool
from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.callbacks import end_registration
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.pool_sources import find_sources
from virloom.drivers.test.storage import StoragePool
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import (
    StoragePoolDefineFlags,
    StoragePoolEventLifecycleType,
    StoragePoolState,
)
from virloom.errors import InvalidArg
from virloom.procedures import storage as p
from virloom.xml import format_document

_Event = StoragePoolEventLifecycleType


class PoolListing(listing.PoolListing[StoragePool]):
    """Handlers that list and look up pools, and of their events."""

    def __init__(self, driver: InMemoryDriver) -> None:
        super().__init__(driver.pools, ErrorDomain.TEST)

    @serves(p.CONNECT_FIND_STORAGE_POOL_SOURCES)
    def sources(
        self, call: Call, args: p.ConnectFindStoragePoolSourcesArgs
    ) -> p.ConnectFindStoragePoolSourcesRet:
        check_flags(call, args.flags)
        return p.ConnectFindStoragePoolSourcesRet(find_sources(args.type, args.src_spec))

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
