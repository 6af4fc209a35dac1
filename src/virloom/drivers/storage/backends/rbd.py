# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``rbd``: the images of a Ceph pool, which a program of ours works at by librbd.

The secret is part of what that reads; no configuration of the host is read, all that counts is the
pool's document.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any

from virloom.drivers.runtime.arguments import unknown_flags
from virloom.drivers.runtime.secret_values import secret_value
from virloom.drivers.storage import rbd_images
from virloom.drivers.storage.backends.interface import Backend
from virloom.drivers.storage.blocks import named_volume
from virloom.drivers.storage.flags import check_flags
from virloom.drivers.storage.names import can_be_told, check_new_name, check_size
from virloom.drivers.storage.own_programs import ask_program
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.volumes import in_bytes
from virloom.enums.error import ErrorDomain
from virloom.enums.secret import SecretUsageType
from virloom.enums.storage import StorageVolCreateFlags as _Create
from virloom.enums.storage import StorageVolDeleteFlags, StorageVolResizeFlags
from virloom.enums.storage import StorageVolWipeAlgorithm as Algorithm
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    InvalidArg,
    VirloomError,
    system_failure,
)
from virloom.model.storage import Pool, Volume
from virloom.model.storage.pool import PoolSource

_DOMAIN = ErrorDomain.STORAGE
#: Seconds that a cluster may take to answer (libvirt's), and that our programs have.
_TIMEOUT, _PATIENCE = 30, 24 * 3600.0
_TIMEOUTS = ("client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout")
_METADATA, _REFLINK = int(_Create.PREALLOC_METADATA), int(_Create.REFLINK)
_ALLOCATE, _SHRINK = int(StorageVolResizeFlags.ALLOCATE), int(StorageVolResizeFlags.SHRINK)
_DELETE = StorageVolDeleteFlags.ZEROED | StorageVolDeleteFlags.WITH_SNAPSHOTS


class RbdBackend(Backend):
    """Volumes are images, which QEMU reaches by itself."""

    kind = "rbd"
    named_at_once = True

    async def look(self, model: Pool) -> dict[str, Volume]:
        """The images; sizes are those that the cluster last told of itself, seconds ago.

        Looking only then makes every change cost one program.
        """
        sizes, listed = await self._ask(model, "list")
        model.capacity, model.available, model.allocation = (in_bytes(size) for size in sizes)
        return {
            name: _volume(_name(model), name, size, used)
            for name, size, used in listed
            if can_be_told(name)
        }

    async def measure(self, model: Pool, volumes: Mapping[str, Volume]) -> None:
        """Nothing: see :meth:`look`."""

    def check_new(self, pool: StoragePool, model: Volume) -> None:
        check_new_name(pool, model)
        check_size(model)

    async def make(
        self,
        pool: Pool,
        model: Volume,
        *,
        metadata: bool,
        origin: Volume | None = None,
        reflink: bool = False,
    ) -> Volume:
        """Makes an image: empty, or one that shares what another one has.

        Raises:
            ConfigUnsupported: It is not to be raw, or the origin is in another pool.
        """
        if metadata:
            raise unknown_flags(_METADATA, "virStorageBackendRBDBuildVol", _DOMAIN)
        if reflink:
            raise unknown_flags(_REFLINK, "virStorageBackendRBDBuildVolFrom", _DOMAIN)
        if model.target.format.type not in (None, "raw"):
            raise ConfigUnsupported("images of Ceph are raw", domain=_DOMAIN)
        name, size = model.name or "", model.capacity.value or 0
        if origin is None:
            found = await self._ask(pool, "create", image=name, size=size)
        elif origin.key != f"{_name(pool)}/{origin.name}":
            raise ConfigUnsupported("the origin is in another pool", domain=_DOMAIN)
        else:
            whole = {"origin": origin.name or "", "size": size}
            found = await self._ask(pool, "clone", image=name, **whole)
        return _seen_again(model, _volume(_name(pool), *found))

    async def fresh(self, pool: Pool, volume: Volume, *, probing: bool = False) -> Volume:
        found = await self._ask(pool, "stat", image=volume.name or "")
        return _seen_again(volume, _volume(_name(pool), *found))

    def check_wipe(self, volume: Volume, algorithm: int) -> None:
        """Refuses what libvirt does not do either: all but zeros and giving back."""
        if algorithm not in (Algorithm.ZERO, Algorithm.TRIM):
            raise InvalidArg(f"unsupported algorithm {algorithm}", domain=_DOMAIN)

    async def wipe(self, pool: Pool, volume: Volume, algorithm: int) -> None:
        """Overwrites an image with zeros, or gives its objects back; the program ends with us."""
        what = "discard" if algorithm == Algorithm.TRIM else "clear"
        await self._ask(pool, what, image=volume.name or "")

    async def remove(self, pool: Pool, volume: Volume, flags: int) -> None:
        check_flags(flags, _DELETE, "virStorageBackendRBDDeleteVol")
        snapshots = bool(flags & StorageVolDeleteFlags.WITH_SNAPSHOTS)
        await self._ask(pool, "remove", image=volume.name or "", snapshots=snapshots)

    async def resize(
        self, pool: Pool, volume: Volume, capacity: int, *, allocate: bool, shrink: bool
    ) -> None:
        flags = _ALLOCATE * allocate | _SHRINK * shrink
        if flags:
            raise unknown_flags(flags, "virStorageBackendRBDResizeVol", _DOMAIN)
        await self._ask(pool, "resize", image=volume.name or "", size=capacity)

    # -- the cluster ---------------------------------------------------------------------------

    async def _ask(self, model: Pool, do: str, **more: Any) -> Any:
        """What our program prints.

        Raises:
            SystemFailure: The cluster does not answer, does not let us in, or has no such thing.
            InternalError: It has no such option, or the program has failed.
        """
        source = _source(model)
        secret = await self._secret(source)
        asked: dict[str, Any] = {"do": do, "pool": _name(model), **more}
        asked["id"] = None if source.auth is None else source.auth.username
        options = [("auth_supported", "none" if source.auth is None else "cephx")]
        if secret is not None:
            options.append(("key", base64.b64encode(secret).decode()))
        options.append(("mon_host", _monitors(source)))
        options += [(name, str(_TIMEOUT)) for name in _TIMEOUTS]
        options += [(each.name or "", each.value or "") for each in model.rbd_options.options]
        asked["options"] = options
        answer = await ask_program(self.host, rbd_images, asked, whom="cluster", timeout=_PATIENCE)
        if not answer.good:
            raise _failed(*answer.told)
        return answer.told

    async def _secret(self, source: PoolSource) -> bytes | None:
        auth = source.auth
        if auth is None or auth.secret is None:
            return None
        async with self.host.areas.opened("secret", trusted=True) as endpoint:
            return await secret_value(
                endpoint, SecretUsageType.CEPH, uuid=auth.secret.uuid, usage=auth.secret.usage
            )


def _source(model: Pool) -> PoolSource:
    if model.source is None:
        raise InternalError("missing storage pool source", domain=_DOMAIN)
    return model.source


def _name(model: Pool) -> str:
    return _source(model).name or ""


def _monitors(source: PoolSource) -> str:
    return ",".join(
        f"{host.name}:{host.port}" if host.port else host.name or "" for host in source.hosts
    )


def _failed(code: int, said: str) -> VirloomError:
    if not code:
        return InternalError(said, domain=_DOMAIN)
    return system_failure(said, OSError(code, os.strerror(code)), domain=_DOMAIN)


def _volume(pool: str, name: str, size: int, occupied: int) -> Volume:
    """An image occupies what its objects would, as libvirt has it."""
    volume = named_volume("network", name, f"{pool}/{name}", size)
    volume.allocation = in_bytes(occupied)
    volume.target.format.type = "raw"
    return volume


def _seen_again(known: Volume, found: Volume) -> Volume:
    """The volume *found*, with what a document said of it and the cluster does not know."""
    found.backing_store = known.backing_store
    for part in ("permissions", "compat", "features"):
        setattr(found.target, part, getattr(known.target, part))
    return found
