# SPDX-License-Identifier: Apache-2.0
"""Pools come, start, stop and go; what they say of themselves."""

from __future__ import annotations

from virloom.drivers.storage.driver import StorageDriver
from virloom.drivers.storage.flags import check_apart, check_flags
from virloom.drivers.storage.pools import parse_pool, sanitized
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import (
    StoragePoolBuildFlags,
    StoragePoolCreateFlags,
    StoragePoolDefineFlags,
    StoragePoolState,
    StorageXMLFlags,
)
from virloom.errors import NoStoragePool
from virloom.procedures import storage as p
from virloom.xml import format_document

_Create = StoragePoolCreateFlags
_BUILDS = _Create.WITH_BUILD | _Create.WITH_BUILD_OVERWRITE | _Create.WITH_BUILD_NO_OVERWRITE


class Life:
    """Handlers of the life of pools."""

    def __init__(self, driver: StorageDriver) -> None:
        self._driver = driver

    @serves(p.STORAGE_POOL_DEFINE_XML)
    async def define(
        self, call: Call, args: p.StoragePoolDefineXMLArgs
    ) -> p.StoragePoolDefineXMLRet:
        check_flags(args.flags, StoragePoolDefineFlags.VALIDATE, "storagePoolDefineXML")
        model = parse_pool(args.xml, validate=bool(args.flags))
        return p.StoragePoolDefineXMLRet((await self._driver.define(model)).ref())

    @serves(p.STORAGE_POOL_CREATE_XML)
    async def create_xml(
        self, call: Call, args: p.StoragePoolCreateXMLArgs
    ) -> p.StoragePoolCreateXMLRet:
        check_flags(args.flags, _BUILDS, "storagePoolCreateXML")
        _check_build(args.flags)
        model = parse_pool(args.xml)
        await self._driver.check_directory(model)
        pool = self._driver.admit(model)
        await self._driver.work.create_xml(pool, model, build=_build_flags(args.flags))
        return p.StoragePoolCreateXMLRet(pool.ref())

    @serves(p.STORAGE_POOL_CREATE)
    async def create(self, call: Call, args: p.StoragePoolCreateArgs) -> None:
        check_flags(args.flags, _BUILDS, "storagePoolCreate")
        pool = self._driver.find(args.pool)
        if self._driver.backend(pool).builds:
            _check_build(args.flags)
        await self._driver.work.start(pool, build=_build_flags(args.flags))

    @serves(p.STORAGE_POOL_BUILD)
    async def build(self, call: Call, args: p.StoragePoolBuildArgs) -> None:
        await self._driver.work.build(self._driver.find(args.pool), args.flags)

    @serves(p.STORAGE_POOL_DELETE)
    async def delete(self, call: Call, args: p.StoragePoolDeleteArgs) -> None:
        await self._driver.work.delete(self._driver.find(args.pool), args.flags)

    @serves(p.STORAGE_POOL_DESTROY)
    async def destroy(self, call: Call, args: p.StoragePoolDestroyArgs) -> None:
        await self._driver.work.destroy(self._driver.find(args.pool))

    @serves(p.STORAGE_POOL_UNDEFINE)
    async def undefine(self, call: Call, args: p.StoragePoolUndefineArgs) -> None:
        await self._driver.undefine(self._driver.find(args.pool))

    @serves(p.STORAGE_POOL_REFRESH)
    async def refresh(self, call: Call, args: p.StoragePoolRefreshArgs) -> None:
        check_flags(args.flags, 0, "storagePoolRefresh")
        await self._driver.work.refresh(self._driver.find(args.pool))

    @serves(p.STORAGE_POOL_IS_ACTIVE)
    def is_active(self, call: Call, args: p.StoragePoolIsActiveArgs) -> p.StoragePoolIsActiveRet:
        return p.StoragePoolIsActiveRet(int(self._driver.find(args.pool).active))

    @serves(p.STORAGE_POOL_IS_PERSISTENT)
    def is_persistent(
        self, call: Call, args: p.StoragePoolIsPersistentArgs
    ) -> p.StoragePoolIsPersistentRet:
        return p.StoragePoolIsPersistentRet(int(self._driver.find(args.pool).persistent))

    @serves(p.STORAGE_POOL_GET_AUTOSTART)
    def get_autostart(
        self, call: Call, args: p.StoragePoolGetAutostartArgs
    ) -> p.StoragePoolGetAutostartRet:
        return p.StoragePoolGetAutostartRet(int(self._driver.find(args.pool).autostart))

    @serves(p.STORAGE_POOL_SET_AUTOSTART)
    async def set_autostart(self, call: Call, args: p.StoragePoolSetAutostartArgs) -> None:
        await self._driver.set_autostart(self._driver.find(args.pool), bool(args.autostart))

    @serves(p.STORAGE_POOL_GET_INFO)
    def get_info(self, call: Call, args: p.StoragePoolGetInfoArgs) -> p.StoragePoolGetInfoRet:
        pool = self._driver.find(args.pool)
        state = StoragePoolState.RUNNING if pool.active else StoragePoolState.INACTIVE
        sizes = (pool.model.capacity, pool.model.allocation, pool.model.available)
        return p.StoragePoolGetInfoRet(int(state), *(size.value or 0 for size in sizes))

    @serves(p.STORAGE_POOL_GET_XML_DESC)
    def get_xml_desc(
        self, call: Call, args: p.StoragePoolGetXMLDescArgs
    ) -> p.StoragePoolGetXMLDescRet:
        check_flags(args.flags, StorageXMLFlags.INACTIVE, "storagePoolGetXMLDesc")
        pool = self._driver.find(args.pool)
        model = pool.definition if args.flags else None
        return p.StoragePoolGetXMLDescRet(format_document(model or pool.model))

    @serves(p.STORAGE_POOL_LOOKUP_BY_TARGET_PATH)
    def by_target_path(
        self, call: Call, args: p.StoragePoolLookupByTargetPathArgs
    ) -> p.StoragePoolLookupByTargetPathRet:
        path = sanitized(args.path)
        for pool in self._driver.all:
            if pool.active and pool.model.target.path == path:
                return p.StoragePoolLookupByTargetPathRet(pool.ref())
        raise NoStoragePool(
            f"no storage pool with matching target path '{args.path}'", domain=ErrorDomain.STORAGE
        )


def _check_build(flags: int) -> None:
    check_apart(
        flags, _Create.WITH_BUILD_OVERWRITE, _Create.WITH_BUILD_NO_OVERWRITE,
        "WITH_BUILD_OVERWRITE and WITH_BUILD_NO_OVERWRITE",
    )  # fmt: skip


def _build_flags(flags: int) -> int | None:
    """What a start with those flags builds with; None where it does not."""
    if flags & _Create.WITH_BUILD_OVERWRITE:
        return int(StoragePoolBuildFlags.OVERWRITE)
    if flags & _Create.WITH_BUILD_NO_OVERWRITE:
        return int(StoragePoolBuildFlags.NO_OVERWRITE)
    return 0 if flags & _Create.WITH_BUILD else None
