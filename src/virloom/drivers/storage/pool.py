# SPDX-License-Identifier: Apache-2.0
"""One storage pool: what is defined of it, what of it is there, and its volumes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

from virloom.drivers.storage.kinds import KINDS
from virloom.drivers.storage.long_work import LongWork
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, NoStorageVol, OperationInvalid
from virloom.model.storage import Pool, Volume
from virloom.procedures.storage import NonnullStoragePool, NonnullStorageVol


class Building(NamedTuple):
    """A volume that is being made.

    Attributes:
        volume: What it is to be.
        work: Who makes it.
    """

    volume: Volume
    work: LongWork


class StoragePool:
    """A pool.

    Attributes:
        definition: The document on disk; None of a transient pool.
        live: The document of what is active, with its sizes; None while it is not.
        volumes: Those of an active pool, by name.
        building: Volumes that are being made, by name.
        writing: Names of volumes that are uploaded to, each as often as that is done.
        using: Names of volumes that are being copied or wiped, each as often as that is done.
        changing: Held by whoever starts, stops, refreshes or changes it.
    """

    def __init__(self, model: Pool) -> None:
        self.name = model.name or ""
        self.uuid = UUID(model.uuid).bytes
        self.definition: Pool | None = None
        self.live: Pool | None = None
        self.autostart = False
        self.volumes: dict[str, Volume] = {}
        self.building: dict[str, Building] = {}
        self.using: list[str] = []
        self.writing: list[str] = []
        self.changing = asyncio.Lock()

    @property
    def active(self) -> bool:
        """Whether its volumes can be used."""
        return self.live is not None

    @property
    def persistent(self) -> bool:
        """Whether it is there after it was stopped."""
        return self.definition is not None

    @property
    def model(self) -> Pool:
        """The document that clients see."""
        model = self.live or self.definition
        if model is None:
            raise ValueError(f"pool '{self.name}' is gone")
        return model

    @property
    def documents(self) -> Iterable[Pool]:
        """What it has now, and what it will have at its next start."""
        return (model for model in (self.live, self.definition) if model is not None)

    @property
    def volume_type(self) -> int:
        """What its volumes are."""
        return int(KINDS[self.model.type or ""].volumes)

    def ref(self) -> NonnullStoragePool:
        """What calls and events name it by."""
        return NonnullStoragePool(self.name, self.uuid)

    def volume_ref(self, volume: Volume) -> NonnullStorageVol:
        """What calls name a volume of it by."""
        return NonnullStorageVol(self.name, volume.name or "", volume.key or "")

    def require_active(self) -> StoragePool:
        """The pool, if it is active.

        Raises:
            OperationInvalid: It is not.
        """
        if not self.active:
            raise OperationInvalid(
                f"storage pool '{self.name}' is not active", domain=ErrorDomain.STORAGE
            )
        return self

    def require_inactive(self) -> StoragePool:
        """The pool, if it is not active.

        Raises:
            OperationInvalid: It is.
        """
        if self.active:
            raise OperationInvalid(
                f"storage pool '{self.name}' is active", domain=ErrorDomain.STORAGE
            )
        return self

    def require_idle(self, volume: Volume) -> None:
        """Checks that nobody makes, copies, wipes or writes a volume.

        Raises:
            OperationInvalid: Somebody does.
        """
        self.require_unused(volume)
        if volume.name in self.writing:
            raise _in_use(volume)

    def require_unused(self, volume: Volume) -> None:
        """Checks that nobody makes, copies or wipes a volume.

        Raises:
            OperationInvalid: Somebody does.
        """
        self.require_made(volume)
        if volume.name in self.using:
            raise _in_use(volume)

    def require_made(self, volume: Volume) -> None:
        """Checks that a volume is whole.

        Raises:
            OperationInvalid: It is being made.
        """
        if volume.name in self.building:
            raise OperationInvalid(
                f"volume '{volume.name}' is still being allocated.", domain=ErrorDomain.STORAGE
            )

    def require_settled(self, volume: Volume) -> None:
        """Checks that a volume is whole, and that no client writes to the header of an image.

        Raises:
            OperationInvalid: It is not, or one does.
        """
        self.require_made(volume)
        if volume.name in self.writing and volume.target.format.type != "raw":
            raise _in_use(volume)

    def require_rest(self) -> None:
        """Checks that nobody makes, copies or wipes a volume.

        Raises:
            InternalError: Somebody does (libvirt's code for it).
        """
        if self.building or self.using:
            raise InternalError(
                f"pool '{self.name}' has asynchronous jobs running.", domain=ErrorDomain.STORAGE
            )

    @contextmanager
    def in_use(self, volume: Volume) -> Iterator[None]:
        """Says that somebody copies or wipes a volume, for as long as the ``with`` lasts."""
        self.using.append(volume.name or "")
        try:
            yield
        finally:
            self.using.remove(volume.name or "")

    def volume(self, name: str) -> Volume:
        """The volume of that name.

        Raises:
            NoStorageVol: There is none.
        """
        found = self.all_volumes().get(name)
        if found is None:
            raise NoStorageVol(
                f"no storage vol with matching name '{name}'", domain=ErrorDomain.STORAGE
            )
        return found

    def all_volumes(self) -> dict[str, Volume]:
        """Those that there are and those that are being made, by name."""
        if not self.building:
            return self.volumes
        made = {name: building.volume for name, building in self.building.items()}
        return self.volumes | made


def _in_use(volume: Volume) -> OperationInvalid:
    return OperationInvalid(f"volume '{volume.name}' is still in use.", domain=ErrorDomain.STORAGE)
