# SPDX-License-Identifier: Apache-2.0
"""Storage pools and volumes of the test driver; no byte is ever stored."""

from __future__ import annotations

from uuid import UUID

from virloom.drivers.runtime.object_events import ObjectEvents
from virloom.drivers.runtime.objects import ObjectIndex
from virloom.drivers.storage.kinds import KINDS
from virloom.drivers.storage.pools import same_source
from virloom.drivers.storage.volumes import in_bytes
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import StoragePoolEventID, StoragePoolEventLifecycleType
from virloom.errors import (
    InternalError,
    NoStoragePool,
    NoStorageVol,
    OperationFailed,
    OperationInvalid,
)
from virloom.model.storage import Pool, Volume
from virloom.procedures import storage as p
from virloom.procedures.storage import NonnullStoragePool, NonnullStorageVol

#: How much every pool holds, in bytes.
_CAPACITY = 100 * 1024**3


class StoragePool:
    """A pool.

    Attributes:
        model: The document that clients see; another one that comes while the pool is active is
            nobody's, as in libvirt's test driver.
    """

    def __init__(self, model: Pool) -> None:
        self.model = model
        self.uuid = UUID(model.uuid).bytes
        self.name = model.name or ""
        self.active = False
        self.persistent = False
        self.autostart = False
        self.volumes: dict[str, Volume] = {}

    def ref(self) -> NonnullStoragePool:
        """What calls and events name it by."""
        return NonnullStoragePool(self.name, self.uuid)

    def volume_ref(self, volume: Volume) -> NonnullStorageVol:
        """What calls name a volume of it by."""
        return NonnullStorageVol(self.name, volume.name or "", volume.key or "")

    def set_sizes(self, allocation: int) -> None:
        """Notes how much is used, of what every pool holds."""
        self.model.capacity = in_bytes(_CAPACITY)
        self.model.allocation = in_bytes(allocation)
        self.model.available = in_bytes(_CAPACITY - allocation)

    @property
    def allocation(self) -> int:
        """How much is used, in bytes."""
        return self.model.allocation.value or 0

    def require_active(self) -> StoragePool:
        """The pool, if it is active.

        Raises:
            OperationInvalid: It is not.
        """
        if not self.active:
            raise OperationInvalid(
                f"storage pool '{self.name}' is not active", domain=ErrorDomain.TEST
            )
        return self

    def require_inactive(self) -> StoragePool:
        """The pool, if it is not active.

        Raises:
            OperationInvalid: It is.
        """
        if self.active:
            raise OperationInvalid(f"storage pool '{self.name}' is active", domain=ErrorDomain.TEST)
        return self

    def volume(self, name: str) -> Volume:
        """The volume of that name.

        Raises:
            NoStorageVol: There is none.
        """
        if name not in self.volumes:
            raise NoStorageVol(
                f"no storage vol with matching name '{name}'", domain=ErrorDomain.TEST
            )
        return self.volumes[name]

    def add_volume(self, volume: Volume, *, own_path: bool = False) -> None:
        """Adds a volume, whose place is this pool.

        Args:
            own_path: It may say where it is.

        Raises:
            OperationFailed: There is one of that name.
            InternalError: The pool is too small.
        """
        name = volume.name or ""
        if name in self.volumes:
            raise OperationFailed("storage vol already exists", domain=ErrorDomain.TEST)
        size = volume.allocation.value or 0
        if self.allocation + size > _CAPACITY:
            raise InternalError(
                f"Not enough free space in pool for volume '{name}'", domain=ErrorDomain.TEST
            )
        # Where there is no path, libvirt shows how C prints nothing; clients see it.
        if not own_path or not volume.target.path:
            volume.target.path = f"{self.model.target.path or '(null)'}/{name}"
        volume.key = volume.target.path
        volume.target.nocow = False  # a wish for its making, which no document tells of
        self.volumes[name] = volume
        self.set_sizes(self.allocation + size)

    def remove_volume(self, volume: Volume) -> None:
        """Removes a volume."""
        del self.volumes[volume.name or ""]
        self.set_sizes(self.allocation - (volume.allocation.value or 0))

    @property
    def volume_type(self) -> int:
        """What its volumes are."""
        return int(KINDS[self.model.type or ""].volumes)


class StoragePools:
    """All pools, and who listens to what happens to them."""

    def __init__(self) -> None:
        self.all: ObjectIndex[StoragePool] = ObjectIndex()
        self.events: ObjectEvents[bytes] = ObjectEvents(
            "storage pool", frozenset(StoragePoolEventID)
        )

    def find(self, ref: NonnullStoragePool) -> StoragePool:
        """The pool that a call names.

        Raises:
            NoStoragePool: There is none.
        """
        pool = self.all.by_uuid(ref.uuid)
        if pool is None:
            raise NoStoragePool(
                f"no storage pool with matching uuid '{UUID(bytes=ref.uuid)}'",
                domain=ErrorDomain.TEST,
            )
        return pool

    def find_name(self, name: str) -> StoragePool:
        """The pool of that name.

        Raises:
            NoStoragePool: There is none.
        """
        pool = self.all.by_name(name)
        if pool is None:
            raise NoStoragePool(
                f"no storage pool with matching name '{name}'", domain=ErrorDomain.TEST
            )
        return pool

    def admit(self, model: Pool, *, live: bool) -> StoragePool:
        """The pool that *model* describes: a known one that has it now, or a new one.

        Raises:
            OperationFailed: The name, the UUID or the storage belongs to another pool.
            OperationInvalid: It is to be started, and is active.
        """
        for other in self.all:
            if other.name != model.name and same_source(other.model, model):
                raise _failed(f"Storage source conflict with pool: '{other.name}'")
        pool = self.all.by_uuid(UUID(model.uuid).bytes)
        if pool is None:
            return self._new(model)
        if pool.name != model.name:
            raise _failed(f"pool '{pool.name}' is already defined with uuid {model.uuid}")
        if live and pool.active:
            raise OperationInvalid(
                f"pool is already active as '{pool.name}'", domain=ErrorDomain.STORAGE
            )
        if not pool.active:
            pool.model = model
            pool.set_sizes(0)
        return pool

    def _new(self, model: Pool) -> StoragePool:
        namesake = self.all.by_name(model.name or "")
        if namesake is not None:
            raise _failed(f"pool '{model.name}' already exists with uuid {namesake.model.uuid}")
        pool = StoragePool(model)
        pool.set_sizes(0)
        self.all.add(pool)
        return pool

    def find_volume(self, what: str, value: str) -> tuple[StoragePool, Volume]:
        """The volume of an active pool with that key or path.

        Raises:
            NoStorageVol: There is none.
        """
        for pool in self.all:
            for volume in pool.volumes.values() if pool.active else ():
                if value == (volume.key if what == "key" else volume.target.path):
                    return pool, volume
        raise NoStorageVol(
            f"no storage vol with matching {what} '{value}'", domain=ErrorDomain.TEST
        )

    def tell(self, pool: StoragePool, event: StoragePoolEventLifecycleType) -> None:
        """Tells whoever listens of a change in its life."""
        self.events.emit(
            StoragePoolEventID.LIFECYCLE,
            pool.uuid,
            p.STORAGE_POOL_EVENT_LIFECYCLE,
            lambda number: p.StoragePoolEventLifecycleMsg(number, pool.ref(), int(event), 0),
        )

    def tell_refreshed(self, pool: StoragePool) -> None:
        """Tells whoever listens that its volumes were looked for again."""
        self.events.emit(
            StoragePoolEventID.REFRESH,
            pool.uuid,
            p.STORAGE_POOL_EVENT_REFRESH,
            lambda number: p.StoragePoolEventRefreshMsg(number, pool.ref()),
        )


def _failed(what: str) -> OperationFailed:
    return OperationFailed(what, domain=ErrorDomain.STORAGE)
