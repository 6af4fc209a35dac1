# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``zfs``: the volumes of a ZFS pool or of a dataset, by zpool(8) and zfs(8)."""

from __future__ import annotations

import os
from collections.abc import Mapping

from virloom.drivers.storage.backends.paths import PathBackend
from virloom.drivers.storage.blocks import named_volume
from virloom.drivers.storage.flags import check_flags
from virloom.drivers.storage.names import check_name
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.volumes import in_bytes
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, NoSupport
from virloom.model.storage import Pool, Volume
from virloom.model.storage.target import Amount

_DOMAIN = ErrorDomain.STORAGE
_SIZES = ("health", "size", "free", "allocated")


class ZfsBackend(PathBackend):
    """A pool is always there; starting it only looks."""

    kind = "zfs"
    named_at_once = True

    async def is_active(self, model: Pool) -> bool:
        done = await self.host.run(["zfs", "list", "-H", "-o", "name", _name(model)])
        return done.returncode == 0

    async def build(self, model: Pool, flags: int) -> None:
        """Makes the pool of its devices, or the dataset."""
        check_flags(flags, 0, "virStorageBackendZFSBuildPool")
        name = _name(model)
        if "/" in name:
            await self.host.output(["zfs", "create", "-o", "mountpoint=none", name])
            return
        devices = model.source.devices if model.source is not None else []
        await self.host.output(["zpool", "create", name, *(each.path or "" for each in devices)])

    async def delete(self, model: Pool, flags: int) -> None:
        check_flags(flags, 0, "virStorageBackendZFSDeletePool")
        name = _name(model)
        await self.host.output(
            ["zfs", "destroy", "-r", name] if "/" in name else ["zpool", "destroy", name]
        )

    async def look(self, model: Pool) -> dict[str, Volume]:
        await self.measure(model, {})
        columns = "name,volsize,refreservation"
        words = ["zfs", "list", "-Hp", "-t", "volume", "-r", "-o", columns, _name(model)]
        volumes = [_volume(line) for line in (await self.host.output(words)).splitlines()]
        return {volume.name or "": volume for volume in volumes}

    async def measure(self, model: Pool, volumes: Mapping[str, Volume]) -> None:
        pool = _name(model).split("/")[0]
        printed = await self.host.output(["zpool", "get", "-Hp", ",".join(_SIZES), pool])
        found = {row[1]: row[2] for line in printed.splitlines() if len(row := line.split()) > 2}
        try:
            model.capacity = in_bytes(int(found["size"]))
            model.available = in_bytes(int(found["free"]))
            model.allocation = in_bytes(int(found["allocated"]))
        except (KeyError, ValueError) as exc:
            raise InternalError(f"zpool has printed '{printed[:200]}'", domain=_DOMAIN) from exc

    def check_new(self, pool: StoragePool, model: Volume) -> None:
        check_name(pool, model)

    async def make(
        self,
        pool: Pool,
        model: Volume,
        *,
        metadata: bool,
        origin: Volume | None = None,
        reflink: bool = False,
    ) -> Volume:
        """Makes a volume, whose room is reserved as far as its allocation says."""
        if origin is not None:
            raise NoSupport(
                "storage pool does not support volume creation from an existing volume",
                domain=_DOMAIN,
            )
        capacity, reserved = (-(-(size.value or 0) // 1024) for size in _sizes(model))
        words = ["zfs", "create"]
        if reserved < capacity:
            words += ["-s"]
            words += ["-o", f"refreservation={reserved}K"] if reserved else []
        name = f"{_name(pool)}/{model.name}"
        await self.host.output([*words, "-V", f"{capacity}K", name])
        volume = named_volume("block", model.name or "", f"/dev/zvol/{name}", capacity * 1024)
        volume.key, volume.allocation = name, in_bytes(min(capacity, reserved) * 1024)
        return volume

    async def fresh(self, pool: Pool, volume: Volume, *, probing: bool = False) -> Volume:
        return volume

    async def remove(self, pool: Pool, volume: Volume, flags: int) -> None:
        check_flags(flags, 0, "virStorageBackendZFSDeleteVol")
        await self.host.output(["zfs", "destroy", volume.key or ""])


def _name(model: Pool) -> str:
    return (model.source.name if model.source is not None else None) or ""


def _sizes(model: Volume) -> tuple[Amount, Amount]:
    return model.capacity, model.allocation


def _volume(line: str) -> Volume:
    try:
        name, size, reserved = line.split("\t")
        volume = named_volume("block", os.path.basename(name), f"/dev/zvol/{name}", int(size))
        volume.allocation = in_bytes(0 if reserved == "none" else int(reserved))
    except ValueError as exc:
        raise InternalError(f"zfs has printed '{line[:200]}'", domain=_DOMAIN) from exc
    volume.key = name
    return volume
