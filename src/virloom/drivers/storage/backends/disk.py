# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``disk``: the partitions of a disk, made and removed by parted(8)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from virloom.drivers.storage.backends.filling import fill_device, make_luks
from virloom.drivers.storage.backends.partitions import Table, parse_table, parted_label
from virloom.drivers.storage.backends.paths import PathBackend
from virloom.drivers.storage.backends.signatures import check_empty, check_label, clear
from virloom.drivers.storage.blocks import block_volume, part_of, stable_path
from virloom.drivers.storage.encryption import LUKS_HEADER, check_device, look_up
from virloom.drivers.storage.flags import check_build_flags, check_flags
from virloom.drivers.storage.names import check_size
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.volumes import in_bytes
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import StoragePoolBuildFlags as Flags
from virloom.errors import InternalError, InvalidArg, StorageVolExist, VirloomError, system_failure
from virloom.model.storage import Pool, Volume
from virloom.model.storage.pool import FreeExtent, PoolSource
from virloom.model.storage.target import Amount

_DOMAIN = ErrorDomain.STORAGE
#: What parted calls what is to be in a partition of a DOS table; all else is ``ext2``.
_CONTENTS = {"fat16": "fat16", "fat32": "fat32", "linux-swap": "linux-swap"}

#: Seconds that udev may take to give new devices their owners; ``udevadm``'s own default.
_SETTLING = 120


class DiskBackend(PathBackend):
    """Volumes are partitions."""

    kind = "disk"
    named_at_once = True

    async def is_active(self, model: Pool) -> bool:
        return await asyncio.to_thread(os.path.exists, _device(model))

    async def build(self, model: Pool, flags: int) -> None:
        """Writes an empty partition table.

        Raises:
            InvalidArg: There are other flags than those two, or both.
            StoragePoolBuilt: There is something on the disk, and it may not be overwritten.
            InternalError: parted(8) would not, with its words.
        """
        check_build_flags(flags, "virStorageBackendDiskBuildPool")
        device, label = _device(model), _label(model)
        if flags & Flags.OVERWRITE:
            await asyncio.to_thread(clear, device)
        else:
            await check_empty(self.host, device, label)
        _source(model).format.type = label
        await self.host.output(["parted", "-s", device, "mklabel", parted_label(label)])

    async def start(self, model: Pool) -> None:
        """Checks that there is the table that the document says.

        Raises:
            InvalidArg: There is no such device.
            StorageProbeFailed: There is no table.
            OperationInvalid: There is another one.
        """
        device = _device(model)
        await self._settle()
        if not await asyncio.to_thread(os.path.exists, device):
            raise InvalidArg(f"device path '{device}' doesn't exist", domain=_DOMAIN)
        label = _source(model).format.type = _label(model)
        await check_label(self.host, device, label)

    async def look(self, model: Pool) -> dict[str, Volume]:
        await self._settle()
        table = await self._table(model)
        await self._settle()
        volumes: dict[str, Volume] = {}
        for part in table.partitions:
            path = _node(model, part.number)
            volume = await asyncio.to_thread(_volume, model, table, path, part.start, part.end)
            volumes[volume.name or ""] = volume
        _measure(model, table)
        return volumes

    async def measure(self, model: Pool, volumes: Mapping[str, Volume]) -> None:
        table = await self._table(model)
        _measure(model, table)
        holder = next((part for part in table.partitions if part.number == table.extended), None)
        if holder is not None:
            start = str(holder.start)
            for volume in volumes.values():
                if volume.source.devices[0].extents[0].start == start:
                    volume.allocation = _held(table)

    async def delete(self, model: Pool, flags: int) -> None:
        """Overwrites the partition table."""
        check_flags(flags, 0, "virStorageBackendDiskDeletePool")
        await asyncio.to_thread(clear, _device(model))

    async def _settle(self) -> None:
        """Waits until udev has done what it does to new devices, where there is udev.

        All partitions are new ones after each look at the table, too: ``parted`` opens the disk
        for writing, and udev has the kernel read the table again when somebody has.
        """
        if await asyncio.to_thread(self.host.path("/run/udev/control").exists):
            await self.host.run(["udevadm", "settle", f"--timeout={_SETTLING}"])

    async def _table(self, model: Pool) -> Table:
        device = _device(model)
        words = ["parted", "-a", "cylinder", "--machine", "-s", device, "unit"]
        printed = await self.host.output([*words, "B", "print", "free"])
        geometry = await self.host.output([*words, "chs", "print"])
        return parse_table(printed, geometry, await asyncio.to_thread(_first_sector, device))

    # -- volumes -------------------------------------------------------------------------------

    def check_new(self, pool: StoragePool, model: Volume) -> None:
        """Refuses a volume that cannot be one of this pool.

        Raises:
            NoSupport: It has no size.
            StorageVolExist: There is one of that name, or one is being made.
            ConfigUnsupported: It is to be encrypted otherwise than by LUKS.
        """
        check_size(model)
        name = model.name or ""
        check_device(model)
        if name in pool.volumes or name in pool.building:
            raise StorageVolExist(f"'{name}'", domain=_DOMAIN)

    async def make(
        self,
        pool: Pool,
        model: Volume,
        *,
        metadata: bool,
        origin: Volume | None = None,
        reflink: bool = False,
    ) -> Volume:
        """Makes a partition in the smallest gap that has room for it, and a header if it has one.

        Raises:
            InvalidArg: It would have another name, or it has not just one secret; nothing is made.
            NoSecret: It is to be encrypted, and there is no passphrase.
            InternalError: There is no room, or parted(8) would not.
        """
        key = await look_up(self.host.areas, model)
        async with self.host.lock(_device(pool)):
            volume = await self._add(pool, model, LUKS_HEADER if key is not None else 0)
        try:
            if key is not None:
                await self._encrypt(volume, model, key)
            if origin is not None:
                await fill_device(self.host, origin, volume, key)
        except BaseException:
            await asyncio.shield(self.undoing.remove(pool, volume, 0))
            raise
        return volume

    async def _encrypt(self, volume: Volume, model: Volume, key: bytes) -> None:
        """Writes a header, and notes what is behind it; a pool that is looked at forgets that."""
        volume.target.encryption = model.target.encryption
        volume.capacity = volume.allocation = in_bytes(model.capacity.value or 0)
        await make_luks(self.host, volume, key)

    async def _add(self, pool: Pool, model: Volume, header: int) -> Volume:
        table = await self._table(pool)
        words, logical = _kind(table, model.target.format.type or "none")
        path = _node(pool, table.next_number(logical=logical))
        name = os.path.basename(path)
        if name != model.name:
            raise InvalidArg(
                f"invalid partition name '{model.name}', expected '{name}'", domain=_DOMAIN
            )
        start, end = table.place((model.capacity.value or 0) + header, logical=logical)
        await self.host.output(
            ["parted", "-s", _device(pool), "mkpart", *words, f"{start}B", f"{end - 1}B"]
        )
        try:
            await self._settle()
            table = await self._table(pool)
            await self._settle()
            volume = await asyncio.to_thread(_volume, pool, table, path, start, end)
        except VirloomError:
            await self.undoing._take_out(pool, path)
            raise
        volume.target.format.type = model.target.format.type
        return volume

    async def fresh(self, pool: Pool, volume: Volume, *, probing: bool = False) -> Volume:
        return volume

    async def remove(self, pool: Pool, volume: Volume, flags: int) -> dict[str, Volume]:
        """Removes a partition; logical ones behind it get other numbers."""
        check_flags(flags, 0, "virStorageBackendDiskDeleteVol")
        async with self.host.lock(_device(pool)):
            await self._take_out(pool, volume.target.path or "")
            return await self.look(pool)

    async def _take_out(self, pool: Pool, path: str) -> None:
        """Removes the partition whose device is at *path*, if there is one."""
        for part in (await self._table(pool)).partitions:
            node = _node(pool, part.number)
            if path in (node, stable_path(pool.target.path or "", node)):
                await self.host.output(["parted", "-s", _device(pool), "rm", str(part.number)])
                await self._settle()


def _source(model: Pool) -> PoolSource:
    if model.source is None or not model.source.devices:
        raise InternalError("missing storage pool source device name", domain=_DOMAIN)
    return model.source


def _device(model: Pool) -> str:
    return _source(model).devices[0].path or ""


def _label(model: Pool) -> str:
    """The format; a pool that says none gets a DOS table, as by libvirt."""
    form = _source(model).format.type
    return "dos" if form in (None, "unknown") else form


def _node(model: Pool, number: int) -> str:
    """The device of a partition, as the kernel names it."""
    device, separator = os.path.realpath(_device(model)), _source(model).devices[0].part_separator
    apart = device[-1:].isdigit() if separator is None else separator
    return f"{device}{'p' if apart else ''}{number}"


def _kind(table: Table, form: str) -> tuple[list[str], bool]:
    """parted's words for a new partition of a format, and whether it is a logical one."""
    if table.label != "dos":
        return ["primary"], False
    if form == "extended":
        if table.extended:
            raise InternalError("extended partition already exists", domain=_DOMAIN)
        return ["extended"], False
    logical = table.next_is_logical
    return ["logical" if logical else "primary", _CONTENTS.get(form, "ext2")], logical


def _volume(model: Pool, table: Table, path: str, start: int, end: int) -> Volume:
    device = _device(model)
    place = stable_path(model.target.path or "", path)
    volume = block_volume(place, os.path.basename(place))
    volume.source = part_of(device, start, end)
    volume.target.format.type = "none"
    volume.capacity = in_bytes(end - start)
    if any(part.start == start and part.number == table.extended for part in table.partitions):
        volume.allocation = _held(table)
    else:
        volume.allocation = in_bytes(end - start)
    return volume


def _held(table: Table) -> Amount:
    """What the extended partition holds."""
    return in_bytes(sum(part.end - part.start for part in table.logical))


def _measure(model: Pool, table: Table) -> None:
    used = sum(part.end - part.start for part in table.data)
    ends = [part.end for part in table.partitions] + [free.end for free in table.free]
    model.capacity = in_bytes(max(ends, default=0))
    model.allocation = in_bytes(used)
    model.available = in_bytes(sum(free.end - free.start for free in table.free))
    _source(model).devices[0].free_extents = [
        FreeExtent(start=str(free.start), end=str(free.end)) for free in table.free
    ]


def _first_sector(device: str) -> bytes:
    try:
        with open(device, "rb") as file:
            return file.read(512).ljust(512, b"\0")
    except OSError as exc:
        raise system_failure(f"cannot read '{device}'", exc, domain=_DOMAIN) from exc
