# SPDX-License-Identifier: Apache-2.0
"""Volumes of storage pools."""

from __future__ import annotations

import asyncio

from virloom.drivers.storage.driver import StorageDriver
from virloom.drivers.storage.flags import check_flags
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.scan import so_far
from virloom.drivers.storage.volumes import parse_volume
from virloom.drivers.storage.work import VolumeWork
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import (
    StorageVolCreateFlags,
    StorageVolDeleteFlags,
    StorageVolInfoFlags,
    StorageVolResizeFlags,
)
from virloom.enums.storage import StorageVolWipeAlgorithm as Algorithm
from virloom.errors import InternalError
from virloom.model.storage import Volume
from virloom.procedures import storage as p
from virloom.procedures.storage import NonnullStoragePool, NonnullStorageVol
from virloom.xml import format_document

_CREATE = StorageVolCreateFlags.PREALLOC_METADATA | StorageVolCreateFlags.VALIDATE
_Flags = StorageVolCreateFlags
#: By ``StorageVolType``.
_KINDS = ("file", "block", "dir", "network", "netdir", "ploop")
_DELETE = StorageVolDeleteFlags.ZEROED | StorageVolDeleteFlags.WITH_SNAPSHOTS


class Volumes:
    """Handlers of volumes."""

    def __init__(self, driver: StorageDriver) -> None:
        self._driver = driver
        self._work = VolumeWork(driver)

    def _active(self, ref: NonnullStoragePool) -> StoragePool:
        return self._driver.find(ref).require_active()

    # -- which there are -----------------------------------------------------------------------

    @serves(p.STORAGE_POOL_NUM_OF_VOLUMES)
    def num_of(
        self, call: Call, args: p.StoragePoolNumOfVolumesArgs
    ) -> p.StoragePoolNumOfVolumesRet:
        return p.StoragePoolNumOfVolumesRet(len(self._active(args.pool).all_volumes()))

    @serves(p.STORAGE_POOL_LIST_VOLUMES)
    def list_names(
        self, call: Call, args: p.StoragePoolListVolumesArgs
    ) -> p.StoragePoolListVolumesRet:
        names = list(self._active(args.pool).all_volumes())
        return p.StoragePoolListVolumesRet(names[: args.maxnames])

    @serves(p.STORAGE_POOL_LIST_ALL_VOLUMES)
    def list_all(
        self, call: Call, args: p.StoragePoolListAllVolumesArgs
    ) -> p.StoragePoolListAllVolumesRet:
        check_flags(args.flags, 0, "storagePoolListAllVolumes")
        pool = self._active(args.pool)
        found = [pool.volume_ref(volume) for volume in pool.all_volumes().values()]
        return p.StoragePoolListAllVolumesRet(found if args.need_results else [], len(found))

    @serves(p.STORAGE_VOL_LOOKUP_BY_NAME)
    def by_name(
        self, call: Call, args: p.StorageVolLookupByNameArgs
    ) -> p.StorageVolLookupByNameRet:
        pool = self._active(args.pool)
        return p.StorageVolLookupByNameRet(pool.volume_ref(pool.volume(args.name)))

    @serves(p.STORAGE_VOL_LOOKUP_BY_KEY)
    def by_key(self, call: Call, args: p.StorageVolLookupByKeyArgs) -> p.StorageVolLookupByKeyRet:
        pool, volume = self._driver.search("key", args.key)
        return p.StorageVolLookupByKeyRet(pool.volume_ref(volume))

    @serves(p.STORAGE_VOL_LOOKUP_BY_PATH)
    def by_path(
        self, call: Call, args: p.StorageVolLookupByPathArgs
    ) -> p.StorageVolLookupByPathRet:
        pool, volume = self._driver.search("path", args.path)
        return p.StorageVolLookupByPathRet(pool.volume_ref(volume))

    # -- one of them ---------------------------------------------------------------------------

    @serves(p.STORAGE_VOL_CREATE_XML)
    async def create_xml(
        self, call: Call, args: p.StorageVolCreateXMLArgs
    ) -> p.StorageVolCreateXMLRet:
        check_flags(args.flags, _CREATE, "storageVolCreateXML")
        pool = self._active(args.pool)
        validate = bool(args.flags & StorageVolCreateFlags.VALIDATE)
        model = parse_volume(pool.model, args.xml, validate=validate)
        metadata = bool(args.flags & StorageVolCreateFlags.PREALLOC_METADATA)
        volume = await self._work.make(pool, model, metadata=metadata)
        return p.StorageVolCreateXMLRet(pool.volume_ref(volume))

    @serves(p.STORAGE_VOL_CREATE_XML_FROM)
    async def create_xml_from(
        self, call: Call, args: p.StorageVolCreateXMLFromArgs
    ) -> p.StorageVolCreateXMLFromRet:
        """As large as the other one at least; what it occupies is left to that where unsaid."""
        check_flags(args.flags, _CREATE | _Flags.REFLINK, "storageVolCreateXMLFrom")
        pool = self._active(args.pool)
        origin_pool, origin = await self._fresh(args.clonevol)
        validate = bool(args.flags & _Flags.VALIDATE)
        model = parse_volume(pool.model, args.xml, validate=validate, origin=origin)
        if model.name in pool.all_volumes():  # libvirt's code for it here
            raise InternalError(
                f"storage volume name '{model.name}' already in use.", domain=ErrorDomain.STORAGE
            )
        volume = await self._work.make(
            pool, model, metadata=bool(args.flags & _Flags.PREALLOC_METADATA),
            origin=(origin_pool, origin), reflink=bool(args.flags & _Flags.REFLINK),
        )  # fmt: skip
        return p.StorageVolCreateXMLFromRet(pool.volume_ref(volume))

    @serves(p.STORAGE_VOL_WIPE)
    async def wipe(self, call: Call, args: p.StorageVolWipeArgs) -> None:
        check_flags(args.flags, 0, "storageVolWipePattern")
        await self._work.wipe(*self._driver.find_volume(args.vol), Algorithm.ZERO)

    @serves(p.STORAGE_VOL_WIPE_PATTERN)
    async def wipe_pattern(self, call: Call, args: p.StorageVolWipePatternArgs) -> None:
        check_flags(args.flags, 0, "storageVolWipePattern")
        await self._work.wipe(*self._driver.find_volume(args.vol), args.algorithm)

    @serves(p.STORAGE_VOL_DELETE)
    async def delete(self, call: Call, args: p.StorageVolDeleteArgs) -> None:
        check_flags(args.flags, _DELETE, "storageVolDelete")
        pool, volume = self._driver.find_volume(args.vol)
        await self._work.delete(pool, volume, args.flags)

    @serves(p.STORAGE_VOL_RESIZE)
    async def resize(self, call: Call, args: p.StorageVolResizeArgs) -> None:
        check_flags(args.flags, sum(StorageVolResizeFlags), "storageVolResize")
        pool, volume = self._driver.find_volume(args.vol)
        await self._work.resize(pool, volume, args.capacity, args.flags)

    async def _fresh(self, ref: NonnullStorageVol) -> tuple[StoragePool, Volume]:
        """The volume as it is now: a guest may have written to it since."""
        pool, former = self._driver.find_volume(ref)
        building = pool.building.get(ref.name)
        if building is not None:
            return pool, await asyncio.to_thread(so_far, building.volume, building.work.path)
        volume = await self._driver.backend(pool).fresh(pool.model, former)
        if pool.volumes.get(ref.name) is former:
            pool.volumes[ref.name] = volume
        return pool, volume

    @serves(p.STORAGE_VOL_GET_INFO)
    async def get_info(self, call: Call, args: p.StorageVolGetInfoArgs) -> p.StorageVolGetInfoRet:
        return p.StorageVolGetInfoRet(*await self._info(args.vol, 0))

    @serves(p.STORAGE_VOL_GET_INFO_FLAGS)
    async def get_info_flags(
        self, call: Call, args: p.StorageVolGetInfoFlagsArgs
    ) -> p.StorageVolGetInfoFlagsRet:
        check_flags(args.flags, StorageVolInfoFlags.GET_PHYSICAL, "storageVolGetInfoFlags")
        return p.StorageVolGetInfoFlagsRet(*await self._info(args.vol, args.flags))

    async def _info(self, ref: NonnullStorageVol, flags: int) -> tuple[int, int, int]:
        _, volume = await self._fresh(ref)
        size = volume.physical if flags else volume.allocation
        return _KINDS.index(volume.type or "file"), volume.capacity.value or 0, size.value or 0

    @serves(p.STORAGE_VOL_GET_XML_DESC)
    async def get_xml_desc(
        self, call: Call, args: p.StorageVolGetXMLDescArgs
    ) -> p.StorageVolGetXMLDescRet:
        check_flags(args.flags, 0, "storageVolGetXMLDesc")
        _, volume = await self._fresh(args.vol)
        return p.StorageVolGetXMLDescRet(format_document(volume))

    @serves(p.STORAGE_VOL_GET_PATH)
    def get_path(self, call: Call, args: p.StorageVolGetPathArgs) -> p.StorageVolGetPathRet:
        _, volume = self._driver.find_volume(args.vol)
        return p.StorageVolGetPathRet(volume.target.path or "")
