# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``logical``: the volumes of one of LVM's groups."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence

from virloom.drivers.storage.backends.filling import fill_device, make_luks
from virloom.drivers.storage.backends.paths import PathBackend
from virloom.drivers.storage.backends.signatures import check_empty
from virloom.drivers.storage.encryption import check_device, look_up
from virloom.drivers.storage.flags import check_exclusive, check_flags
from virloom.drivers.storage.logical_volumes import (
    describe,
    give_device_away,
    is_abandoned,
    is_whole,
    making_tag,
    wanted,
)
from virloom.drivers.storage.lvm import (
    Group,
    LogicalVolume,
    check_name,
    groups,
    logical_volumes,
    lvm,
    sizes,
)
from virloom.drivers.storage.names import check_size
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.volumes import in_bytes
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import StoragePoolBuildFlags as Flags
from virloom.errors import (
    ConfigUnsupported,
    NoSupport,
    StorageVolExist,
    SystemFailure,
    VirloomError,
    system_failure,
)
from virloom.model.storage import Pool, Volume
from virloom.model.storage.pool import PoolSource, SourceDevice
from virloom.model.storage.target import FormatType

logger = logging.getLogger(__name__)

_DOMAIN = ErrorDomain.STORAGE
#: What blkid(8) calls a device of LVM's.
_MEMBER = "LVM2_member"
#: Bytes at the beginning of a device in which older labels and tables are: LVM's own is there too.
_HEAD = 4096


class LogicalBackend(PathBackend):
    """Activated by a start, deactivated by a stop; built as a group of the source's devices."""

    kind = "logical"
    named_at_once = True
    narrows_sources = False

    async def is_active(self, model: Pool) -> bool:
        """A group without volumes has nothing by which it could be told."""
        return await self._group(model) is not None

    # -- the pool ------------------------------------------------------------------------------

    async def build(self, model: Pool, flags: int) -> None:
        """Makes the group, by one program, so that there is all of it or nothing.

        Raises:
            InvalidArg: There are other flags than those two, or both.
            StoragePoolBuilt: There is something on a device, and it may not be overwritten.
            SystemFailure: A device cannot be opened, or somebody uses it.
            InternalError: ``vgcreate`` would not, with its words.
        """
        check_flags(
            flags, Flags.OVERWRITE | Flags.NO_OVERWRITE, "virStorageBackendLogicalBuildPool"
        )
        check_exclusive(
            flags, Flags.OVERWRITE, Flags.NO_OVERWRITE,
            "Flags 'VIR_STORAGE_POOL_BUILD_OVERWRITE' and 'VIR_STORAGE_POOL_BUILD_NO_OVERWRITE'",
        )  # fmt: skip
        name, devices = _name(model), _devices(model)
        if not flags & Flags.OVERWRITE:
            for device in devices:
                await check_empty(self.host, device, _MEMBER)
        await asyncio.to_thread(self._clear, devices)
        await lvm(self.host, ["vgcreate", "--yes", name, *devices])

    def _clear(self, devices: Sequence[str]) -> None:
        """Removes labels and tables, which LVM would not overwrite; nothing that is in use."""
        opened: list[tuple[str, int]] = []
        try:
            for device in devices:
                opened.append((device, _open_unused(str(self.host.path(device)), device)))
            for device, descriptor in opened:
                _write_zeros(descriptor, device)
        finally:
            for _, descriptor in opened:
                os.close(descriptor)

    async def start(self, model: Pool) -> None:
        """Activates the volumes.

        Raises:
            ConfigUnsupported: There is no such group, or it has none of the document's devices.
        """
        group, devices = await self._group(model), _devices(model)
        name = _name(model)
        if group is None:
            raise ConfigUnsupported(
                f"cannot find logical volume group name '{name}'", domain=_DOMAIN
            )
        if devices and not set(devices) & set(group.devices):
            raise ConfigUnsupported(
                f"cannot find any matching source devices for logical volume group '{name}'",
                domain=_DOMAIN,
            )
        await lvm(self.host, ["vgchange", "-aly", name])

    async def stop(self, model: Pool) -> None:
        if await self._group(model) is not None:
            await lvm(self.host, ["vgchange", "-aln", _name(model)])

    async def delete(self, model: Pool, flags: int) -> None:
        """Removes the group with all that is in it, and LVM's labels from its devices.

        A delete that was cut off after the first half is taken up again.
        """
        check_flags(flags, 0, "virStorageBackendLogicalDeletePool")
        there = await groups(self.host)
        loose = {device for group in there if not group.name for device in group.devices}
        rest = [device for device in _devices(model) if device in loose]
        if not rest or any(group.name == _name(model) for group in there):
            await lvm(self.host, ["vgremove", "-f", _name(model)])
            rest = list(_devices(model))
        if rest:
            await lvm(self.host, ["pvremove", "--yes", *rest])

    async def find_sources(self, spec: PoolSource | None) -> list[PoolSource]:
        """The groups of the host; nothing narrows them down."""
        found = []
        for group in await groups(self.host):
            if group.name:
                devices = [SourceDevice(path=device) for device in group.devices]
                source = PoolSource(name=group.name, devices=devices)
                source.format = FormatType(type="lvm2")
                found.append(source)
        return found

    async def _group(self, model: Pool) -> Group | None:
        name = _name(model)
        return next((group for group in await groups(self.host) if group.name == name), None)

    # -- its volumes ---------------------------------------------------------------------------

    async def look(self, model: Pool) -> dict[str, Volume]:
        """The active volumes; what is left of those that nobody finishes is removed."""
        volumes: dict[str, Volume] = {}
        for found in await logical_volumes(self.host, _name(model)):
            if is_abandoned(found):
                await self._discard(model, found)
            elif is_whole(found):
                try:
                    volumes[found.name] = await self._volume(model, found)
                except SystemFailure as exc:
                    logger.warning("volume '%s' is left out: %s", found.name, exc)
        await self.measure(model, volumes)
        return volumes

    async def _discard(self, model: Pool, found: LogicalVolume) -> None:
        try:
            await lvm(self.host, ["lvremove", "-f", f"{_name(model)}/{found.name}"])
        except VirloomError as exc:  # a program of its maker still works at it
            logger.warning("unfinished volume '%s' is not removed: %s", found.name, exc)

    async def _volume(self, pool: Pool, found: LogicalVolume) -> Volume:
        volume = await self.host.device(f"{pool.target.path}/{found.name}", found.name)
        await asyncio.to_thread(describe, volume, pool, found)
        return volume

    async def measure(self, model: Pool, volumes: Mapping[str, Volume]) -> None:
        capacity, free = await sizes(self.host, _name(model))
        model.capacity, model.available = in_bytes(capacity), in_bytes(free)
        model.allocation = in_bytes(capacity - free)

    def check_new(self, pool: StoragePool, model: Volume) -> None:
        """Refuses a volume that cannot be one of this pool, and gives it its place.

        Raises:
            NoSupport: It has no size.
            StorageVolExist: There is one of that name, or one is being made.
            InternalError: LVM can give none that name.
        """
        check_size(model)
        name = model.name or ""
        if name in pool.volumes or name in pool.building:
            raise StorageVolExist(f"'{name}'", domain=_DOMAIN)
        check_name(name, "logical volume")
        model.type = "block"
        model.target.path = f"{pool.model.target.path}/{name}"

    async def make(
        self,
        pool: Pool,
        model: Volume,
        *,
        metadata: bool,
        origin: Volume | None = None,
        reflink: bool = False,
    ) -> Volume:
        """Makes a logical volume: a snapshot of another one, or one of its own.

        One that is to occupy less than its capacity is LVM's snapshot of nothing, which fails when
        more than that was written.

        Raises:
            ConfigUnsupported: It is to be encrypted otherwise than by LUKS.
            NoSecret, InvalidArg: It is to be encrypted, and there is no passphrase.
            InternalError: LVM would not (no room, say), with its words.
            SystemFailure: Its device does not appear, or is not ours to give away.
        """
        group = _name(pool)
        check_device(model)
        key = await look_up(self.host.areas, model)
        tag, name = making_tag(), f"{group}/{model.name}"
        try:
            words = wanted(model, group, copied=origin is not None)
            await lvm(self.host, ["lvcreate", "--yes", "--addtag", tag, *words])
            if key is not None:
                await make_luks(self.host, model, key)
            if origin is not None:
                await fill_device(self.host, origin, model, key)
            volume = await self._made(pool, model)
            await lvm(self.host, ["lvchange", "--deltag", tag, name])
        except BaseException:
            await asyncio.shield(self.undoing._undo(group, model, tag))
            raise
        return volume

    async def _undo(self, group: str, model: Volume, tag: str) -> None:
        """Removes a volume that has our tag; one of its name that was there before has not."""
        there = await logical_volumes(self.host, group)
        if any(found.name == model.name and tag in found.tags for found in there):
            await lvm(self.host, ["lvremove", "-f", f"{group}/{model.name}"])

    async def _made(self, pool: Pool, model: Volume) -> Volume:
        found = await logical_volumes(self.host, f"{_name(pool)}/{model.name}")
        await asyncio.to_thread(give_device_away, model)
        volume = await self._volume(pool, found[0])
        volume.target.encryption = model.target.encryption
        return volume

    async def fresh(self, pool: Pool, volume: Volume, *, probing: bool = False) -> Volume:
        return volume

    def check_wipe(self, volume: Volume, algorithm: int) -> None:
        """Refuses volumes that occupy less than they hold: a wipe would fill them up.

        Raises:
            NoSupport: It is such a one.
            ArgumentUnsupported: The algorithm is not one of devices.
        """
        if volume.backing_store is not None or volume.allocation.value != volume.capacity.value:
            raise NoSupport(
                f"logical volume '{volume.target.path}' is sparse, volume wipe not supported",
                domain=_DOMAIN,
            )
        super().check_wipe(volume, algorithm)

    async def remove(self, pool: Pool, volume: Volume, flags: int) -> dict[str, Volume]:
        """Deletes a volume, with the snapshots that are laid over it (as libvirt does)."""
        check_flags(flags, 0, "virStorageBackendLogicalDeleteVol")
        names = [found.name for found in await logical_volumes(self.host, _name(pool))]
        if volume.name in names:
            await lvm(self.host, ["lvremove", "-f", f"{_name(pool)}/{volume.name}"])
        return await self.look(pool)


def _name(model: Pool) -> str:
    source = model.source
    return check_name((source.name if source is not None else None) or "", "volume group")


def _devices(model: Pool) -> list[str]:
    devices = model.source.devices if model.source is not None else []
    return [device.path for device in devices if device.path]


def _open_unused(path: str, device: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as exc:
        raise system_failure(f"cannot open device '{device}'", exc, domain=_DOMAIN) from exc


def _write_zeros(descriptor: int, device: str) -> None:
    try:
        os.pwrite(descriptor, bytes(_HEAD), 0)
        os.fsync(descriptor)
    except OSError as exc:
        raise system_failure(f"cannot clear device '{device}'", exc, domain=_DOMAIN) from exc
