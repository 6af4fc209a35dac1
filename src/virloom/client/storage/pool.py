# SPDX-License-Identifier: Apache-2.0
"""A storage pool."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from virloom.client.link import text_of
from virloom.client.params import member
from virloom.client.resource import Resource
from virloom.client.storage.ref import PoolInfo, PoolRef, VolumeRef
from virloom.client.storage.volume import Volume
from virloom.enums.storage import StoragePoolState
from virloom.procedures import storage as p

if TYPE_CHECKING:
    from virloom.xml import Element


class StoragePool(Resource):
    """One pool, running or defined; calls raise NoStoragePool when it is gone."""

    _ref: PoolRef

    @property
    def ref(self) -> PoolRef:
        """The identity as plain data; what events carry."""
        return self._ref

    @property
    def name(self) -> str:
        """The name."""
        return self._ref.name

    @property
    def uuid(self) -> UUID:
        """The UUID."""
        return self._ref.uuid

    # Life cycle

    async def build(self, flags: int = 0) -> None:
        """Makes what is underneath: the directory, the file system (StoragePoolBuildFlags)."""
        args = p.StoragePoolBuildArgs(self._ref.wire, flags)
        await self._link.call(p.STORAGE_POOL_BUILD, args)

    async def create(self, flags: int = 0) -> None:
        """Starts a defined pool (StoragePoolCreateFlags)."""
        args = p.StoragePoolCreateArgs(self._ref.wire, flags)
        await self._link.call(p.STORAGE_POOL_CREATE, args)

    async def destroy(self) -> None:
        """Stops it; its volumes stay."""
        args = p.StoragePoolDestroyArgs(self._ref.wire)
        await self._link.call(p.STORAGE_POOL_DESTROY, args)

    async def delete(self, flags: int = 0) -> None:
        """Deletes what is underneath (StoragePoolDeleteFlags)."""
        args = p.StoragePoolDeleteArgs(self._ref.wire, flags)
        await self._link.call(p.STORAGE_POOL_DELETE, args)

    async def undefine(self) -> None:
        """Forgets its configuration."""
        args = p.StoragePoolUndefineArgs(self._ref.wire)
        await self._link.call(p.STORAGE_POOL_UNDEFINE, args)

    async def refresh(self, flags: int = 0) -> None:
        """Has the host read anew which volumes there are."""
        args = p.StoragePoolRefreshArgs(self._ref.wire, flags)
        await self._link.call(p.STORAGE_POOL_REFRESH, args)

    async def autostart(self) -> bool:
        """Whether it starts with the host."""
        args = p.StoragePoolGetAutostartArgs(self._ref.wire)
        return bool((await self._link.call(p.STORAGE_POOL_GET_AUTOSTART, args)).autostart)

    async def set_autostart(self, autostart: bool) -> None:
        """Whether it shall."""
        args = p.StoragePoolSetAutostartArgs(self._ref.wire, int(autostart))
        await self._link.call(p.STORAGE_POOL_SET_AUTOSTART, args)

    # What it is

    async def info(self) -> PoolInfo:
        """State and sizes."""
        ret = await self._link.call(
            p.STORAGE_POOL_GET_INFO, p.StoragePoolGetInfoArgs(self._ref.wire)
        )
        state = member(StoragePoolState, ret.state)
        return PoolInfo(state, ret.capacity, ret.allocation, ret.available)

    async def xml_desc(self, flags: int = 0) -> str:
        """The document (:class:`~virloom.enums.storage.StorageXMLFlags`)."""
        args = p.StoragePoolGetXMLDescArgs(self._ref.wire, flags)
        return (await self._link.call(p.STORAGE_POOL_GET_XML_DESC, args)).xml

    async def is_active(self) -> bool:
        """Whether it runs."""
        args = p.StoragePoolIsActiveArgs(self._ref.wire)
        return bool((await self._link.call(p.STORAGE_POOL_IS_ACTIVE, args)).active)

    async def is_persistent(self) -> bool:
        """Whether its configuration outlives it."""
        args = p.StoragePoolIsPersistentArgs(self._ref.wire)
        return bool((await self._link.call(p.STORAGE_POOL_IS_PERSISTENT, args)).persistent)

    # Volumes

    async def list_volumes(self, flags: int = 0) -> list[Volume]:
        """All volumes."""
        args = p.StoragePoolListAllVolumesArgs(self._ref.wire, 1, flags)
        ret = await self._link.call(p.STORAGE_POOL_LIST_ALL_VOLUMES, args)
        return [self._volume(vol) for vol in ret.vols]

    async def num_of_volumes(self) -> int:
        """How many there are."""
        args = p.StoragePoolNumOfVolumesArgs(self._ref.wire)
        return (await self._link.call(p.STORAGE_POOL_NUM_OF_VOLUMES, args)).num

    async def lookup_volume(self, name: str) -> Volume:
        """Finds a volume.

        Raises:
            NoStorageVol: There is none of that name.
        """
        args = p.StorageVolLookupByNameArgs(self._ref.wire, name)
        return self._volume((await self._link.call(p.STORAGE_VOL_LOOKUP_BY_NAME, args)).vol)

    async def create_volume(
        self, document: str | Element, flags: int = 0, *, source: VolumeRef | None = None
    ) -> Volume:
        """Makes a volume as the document says.

        Args:
            document: The volume document, or a model object.
            flags: :class:`~virloom.enums.storage.StorageVolCreateFlags`.
            source: A volume whose content it gets (``volume.ref``), in this pool or another.
        """
        text = text_of(document)
        if source is not None:
            of = p.StorageVolCreateXMLFromArgs(self._ref.wire, text, source.wire, flags)
            copied = await self._link.call(p.STORAGE_VOL_CREATE_XML_FROM, of)
            return self._volume(copied.vol)
        args = p.StorageVolCreateXMLArgs(self._ref.wire, text, flags)
        return self._volume((await self._link.call(p.STORAGE_VOL_CREATE_XML, args)).vol)

    def _volume(self, vol: p.NonnullStorageVol) -> Volume:
        return Volume(self._link, VolumeRef.of_wire(vol))
