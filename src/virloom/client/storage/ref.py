# SPDX-License-Identifier: Apache-2.0
"""Which pool, and which volume, is meant; and what their calls return."""

from __future__ import annotations

from uuid import UUID

from virloom.client.value import Value
from virloom.enums.storage import StoragePoolState, StorageVolType
from virloom.procedures.storage import NonnullStoragePool, NonnullStorageVol


class PoolRef(Value):
    """A pool's identity as the host told it: plain data, good on any connection."""

    name: str
    uuid: UUID

    @classmethod
    def of_wire(cls, pool: NonnullStoragePool) -> PoolRef:
        """From the protocol's record."""
        return cls(pool.name, UUID(bytes=pool.uuid))

    @property
    def wire(self) -> NonnullStoragePool:
        """The protocol's record."""
        return NonnullStoragePool(self.name, self.uuid.bytes)


class VolumeRef(Value):
    """A volume's identity: its pool's name, its own, and a key that is the only one of its kind."""

    pool: str
    name: str
    key: str

    @classmethod
    def of_wire(cls, vol: NonnullStorageVol) -> VolumeRef:
        """From the protocol's record."""
        return cls(vol.pool, vol.name, vol.key)

    @property
    def wire(self) -> NonnullStorageVol:
        """The protocol's record."""
        return NonnullStorageVol(self.pool, self.name, self.key)


class PoolInfo(Value):
    """State and sizes of a pool, in bytes."""

    state: StoragePoolState | int
    capacity: int
    allocation: int
    available: int


class VolumeInfo(Value):
    """Kind and sizes of a volume, in bytes."""

    type: StorageVolType | int
    capacity: int
    allocation: int
