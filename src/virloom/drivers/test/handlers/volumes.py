# SPDX-License-Identifier: Apache-2.0
"""Volumes of storage pools."""

from __future__ import annotations

from virloom.drivers.storage.volumes import parse_volume
from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.storage import StoragePool
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.storage import StorageVolCreateFlags
from virloom.model.storage import Volume
from virloom.procedures import storage as p
from virloom.procedures.storage import NonnullStoragePool, NonnullStorageVol
from virloom.xml import format_document


class Volumes:
    """Handlers of volumes."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._pools = driver.pools

    def _active(self, ref: NonnullStoragePool) -> StoragePool:
        return self._pools.find(ref).require_active()

    def _find(self, ref: NonnullStorageVol) -> tuple[StoragePool, Volume]:
        pool = self._pools.find_name(ref.pool).require_active()
        return pool, pool.volume(ref.name)

    # -- which there are -----------------------------------------------------------------------

    @serves(p.STORAGE_POOL_NUM_OF_VOLUMES)
    def num_of(
        self, call: Call, args: p.StoragePoolNumOfVolumesArgs
    ) -> p.StoragePoolNumOfVolumesRet:
        return p.StoragePoolNumOfVolumesRet(len(self._active(args.pool).volumes))

    @serves(p.STORAGE_POOL_LIST_VOLUMES)
    def list_names(
        self, call: Call, args: p.StoragePoolListVolumesArgs
    ) -> p.StoragePoolListVolumesRet:
        return p.StoragePoolListVolumesRet(list(self._active(args.pool).volumes)[: args.maxnames])

    @serves(p.STORAGE_POOL_LIST_ALL_VOLUMES)
    def list_all(
        self, call: Call, args: p.StoragePoolListAllVolumesArgs
    ) -> p.StoragePoolListAllVolumesRet:
        check_flags(call, args.flags)
        pool = self._active(args.pool)
        found = [pool.volume_ref(volume) for volume in pool.volumes.values()]
        return p.StoragePoolListAllVolumesRet(found if args.need_results else [], len(found))

    @serves(p.STORAGE_VOL_LOOKUP_BY_NAME)
    def by_name(
        self, call: Call, args: p.StorageVolLookupByNameArgs
    ) -> p.StorageVolLookupByNameRet:
        pool = self._active(args.pool)
        return p.StorageVolLookupByNameRet(pool.volume_ref(pool.volume(args.name)))

    @serves(p.STORAGE_VOL_LOOKUP_BY_KEY)
    def by_key(self, call: Call, args: p.StorageVolLookupByKeyArgs) -> p.StorageVolLookupByKeyRet:
        pool, volume = self._pools.find_volume("key", args.key)
        return p.StorageVolLookupByKeyRet(pool.volume_ref(volume))

    @serves(p.STORAGE_VOL_LOOKUP_BY_PATH)
    def by_path(
        self, call: Call, args: p.StorageVolLookupByPathArgs
    ) -> p.StorageVolLookupByPathRet:
        pool, volume = self._pools.find_volume("path", args.path)
        return p.StorageVolLookupByPathRet(pool.volume_ref(volume))

    # -- one of them ---------------------------------------------------------------------------

    @serves(p.STORAGE_VOL_CREATE_XML)
    def create_xml(self, call: Call, args: p.StorageVolCreateXMLArgs) -> p.StorageVolCreateXMLRet:
        check_flags(call, args.flags, StorageVolCreateFlags.VALIDATE)
        pool = self._active(args.pool)
        volume = parse_volume(pool.model, args.xml, validate=bool(args.flags))
        pool.add_volume(volume)
        return p.StorageVolCreateXMLRet(pool.volume_ref(volume))

    @serves(p.STORAGE_VOL_CREATE_XML_FROM)
    def create_xml_from(
        self, call: Call, args: p.StorageVolCreateXMLFromArgs
    ) -> p.StorageVolCreateXMLFromRet:
        """There are no bytes to be copied."""
        check_flags(call, args.flags, StorageVolCreateFlags.VALIDATE)
        pool = self._active(args.pool)
        volume = parse_volume(pool.model, args.xml, validate=bool(args.flags))
        if volume.name not in pool.volumes:
            pool.volume(args.clonevol.name)
        pool.add_volume(volume)
        return p.StorageVolCreateXMLFromRet(pool.volume_ref(volume))

    @serves(p.STORAGE_VOL_DELETE)
    def delete(self, call: Call, args: p.StorageVolDeleteArgs) -> None:
        check_flags(call, args.flags)
        pool, volume = self._find(args.vol)
        pool.remove_volume(volume)

    @serves(p.STORAGE_VOL_GET_INFO)
    def get_info(self, call: Call, args: p.StorageVolGetInfoArgs) -> p.StorageVolGetInfoRet:
        pool, volume = self._find(args.vol)
        return p.StorageVolGetInfoRet(
            pool.volume_type, volume.capacity.value or 0, volume.allocation.value or 0
        )

    @serves(p.STORAGE_VOL_GET_XML_DESC)
    def get_xml_desc(
        self, call: Call, args: p.StorageVolGetXMLDescArgs
    ) -> p.StorageVolGetXMLDescRet:
        check_flags(call, args.flags)
        _, volume = self._find(args.vol)
        return p.StorageVolGetXMLDescRet(format_document(volume))

    @serves(p.STORAGE_VOL_GET_PATH)
    def get_path(self, call: Call, args: p.StorageVolGetPathArgs) -> p.StorageVolGetPathRet:
        _, volume = self._find(args.vol)
        return p.StorageVolGetPathRet(volume.target.path or "")
