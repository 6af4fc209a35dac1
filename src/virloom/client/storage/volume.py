# SPDX-License-Identifier: Apache-2.0
"""A volume of a storage pool."""

from __future__ import annotations

from virloom.client.params import member
from virloom.client.resource import Area, Resource
from virloom.client.storage.ref import VolumeInfo, VolumeRef
from virloom.client.stream import Stream
from virloom.enums.storage import StorageVolType, StorageVolWipeAlgorithm
from virloom.procedures import storage as p


class Volume(Resource):
    """One volume; calls raise NoStorageVol when it is gone."""

    _ref: VolumeRef

    @property
    def ref(self) -> VolumeRef:
        """The identity as plain data."""
        return self._ref

    @property
    def name(self) -> str:
        """The name within its pool."""
        return self._ref.name

    @property
    def key(self) -> str:
        """What names it on the whole host, and beyond where that is possible."""
        return self._ref.key

    @property
    def pool_name(self) -> str:
        """The name of its pool; ``conn.storage_pools.lookup_by_volume`` gives the pool."""
        return self._ref.pool

    async def xml_desc(self, flags: int = 0) -> str:
        """The document."""
        args = p.StorageVolGetXMLDescArgs(self._ref.wire, flags)
        return (await self._link.call(p.STORAGE_VOL_GET_XML_DESC, args)).xml

    async def info(self, flags: int = 0) -> VolumeInfo:
        """Kind and sizes (:class:`~virloom.enums.storage.StorageVolInfoFlags`)."""
        if flags:
            with_flags = p.StorageVolGetInfoFlagsArgs(self._ref.wire, flags)
            more = await self._link.call(p.STORAGE_VOL_GET_INFO_FLAGS, with_flags)
            return VolumeInfo(member(StorageVolType, more.type), more.capacity, more.allocation)
        ret = await self._link.call(p.STORAGE_VOL_GET_INFO, p.StorageVolGetInfoArgs(self._ref.wire))
        return VolumeInfo(member(StorageVolType, ret.type), ret.capacity, ret.allocation)

    async def path(self) -> str:
        """Where it is on the host."""
        args = p.StorageVolGetPathArgs(self._ref.wire)
        return (await self._link.call(p.STORAGE_VOL_GET_PATH, args)).name

    async def resize(self, capacity: int, flags: int = 0) -> None:
        """Gives it another size, in bytes (StorageVolResizeFlags)."""
        args = p.StorageVolResizeArgs(self._ref.wire, capacity, flags)
        await self._link.call(p.STORAGE_VOL_RESIZE, args)

    async def wipe(self, algorithm: int = StorageVolWipeAlgorithm.ZERO, flags: int = 0) -> None:
        """Makes its content unreadable."""
        if algorithm == StorageVolWipeAlgorithm.ZERO:
            args = p.StorageVolWipeArgs(self._ref.wire, flags)
            await self._link.call(p.STORAGE_VOL_WIPE, args)
        else:
            by = p.StorageVolWipePatternArgs(self._ref.wire, algorithm, flags)
            await self._link.call(p.STORAGE_VOL_WIPE_PATTERN, by)

    async def delete(self, flags: int = 0) -> None:
        """Deletes it, content and all (StorageVolDeleteFlags)."""
        args = p.StorageVolDeleteArgs(self._ref.wire, flags)
        await self._link.call(p.STORAGE_VOL_DELETE, args)

    async def upload(self, offset: int = 0, length: int = 0, flags: int = 0) -> Stream:
        """A stream that writes the content from *offset* on; the caller ends it by ``close``.

        Args:
            offset: The first byte.
            length: The most bytes; 0 for no bound.
            flags: :class:`~virloom.enums.storage.StorageVolUploadFlags`: STREAM for holes.
        """
        args = p.StorageVolUploadArgs(self._ref.wire, offset, length, flags)
        _, end = await self._link.open_stream(p.STORAGE_VOL_UPLOAD, args)
        return Stream(end)

    async def download(self, offset: int = 0, length: int = 0, flags: int = 0) -> Stream:
        """A stream that reads the content from *offset* on; the caller ends it by ``close``.

        Args:
            offset: The first byte.
            length: The most bytes; 0 for all that there are.
            flags: :class:`~virloom.enums.storage.StorageVolDownloadFlags`: STREAM for holes.
        """
        args = p.StorageVolDownloadArgs(self._ref.wire, offset, length, flags)
        _, end = await self._link.open_stream(p.STORAGE_VOL_DOWNLOAD, args)
        return Stream(end)


class StorageVolumes(Area):
    """``conn.storage_volumes``: volumes by what names them on the whole host."""

    def volume(self, ref: VolumeRef) -> Volume:
        """The object of a volume of that identity; asks nobody."""
        return Volume(self._link, ref)

    async def lookup_by_path(self, path: str) -> Volume:
        """Finds a volume.

        Raises:
            NoStorageVol: None of a running pool has that path.
        """
        args = p.StorageVolLookupByPathArgs(path)
        ret = await self._link.call(p.STORAGE_VOL_LOOKUP_BY_PATH, args)
        return self.volume(VolumeRef.of_wire(ret.vol))

    async def lookup_by_key(self, key: str) -> Volume:
        """Finds a volume.

        Raises:
            NoStorageVol: None of a running pool has that key.
        """
        args = p.StorageVolLookupByKeyArgs(key)
        ret = await self._link.call(p.STORAGE_VOL_LOOKUP_BY_KEY, args)
        return self.volume(VolumeRef.of_wire(ret.vol))
