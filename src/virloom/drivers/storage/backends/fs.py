# SPDX-License-Identifier: Apache-2.0
"""Pools of kind ``fs``: the file system on a block device, mounted at the target."""

from __future__ import annotations

import asyncio
import os

from virloom.drivers.storage.backends.files import FileBackend, place
from virloom.drivers.storage.backends.mounts import mount, mounted, options, unmount
from virloom.drivers.storage.backends.signatures import check_empty
from virloom.drivers.storage.flags import check_build_flags
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import StoragePoolBuildFlags as Flags
from virloom.errors import OperationInvalid
from virloom.model.storage import Pool

_DOMAIN = ErrorDomain.STORAGE
#: What makes mkfs(8) of a format overwrite what is there; we have looked before.
_FORCE = {"xfs": "-f", "ext2": "-F", "ext3": "-F", "ext4": "-F", "vfat": "-I"}


class FsBackend(FileBackend):
    """Mounted by a start, unmounted by a stop."""

    kind = "fs"

    async def is_active(self, model: Pool) -> bool:
        return await mounted(self.host, _device(model), place(model))

    async def build(self, model: Pool, flags: int) -> None:
        """Makes the directory, and with a flag the file system.

        Raises:
            InvalidArg: There are other flags than those two, or both.
            OperationInvalid: There is no such device.
            StoragePoolBuilt: There is something on it, and it may not be overwritten.
            InternalError: mkfs(8) would not, with its words.
        """
        check_build_flags(flags, "virStorageBackendFileSystemBuild")
        await self.make_directory(model)
        if not flags:
            return
        device, form = _device(model), _format(model)
        if not await asyncio.to_thread(os.path.exists, device):
            raise OperationInvalid(
                f"Source device '{device}' does not exist when formatting pool '{model.name}'",
                domain=_DOMAIN,
            )
        if flags & Flags.NO_OVERWRITE:
            await check_empty(self.host, device, form)
        force = [_FORCE[form]] if form in _FORCE else []
        await self.host.output(["mkfs", "-t", form, *force, device])

    async def start(self, model: Pool) -> None:
        await mount(self.host, _device(model), place(model), _format(model), options(model))

    async def stop(self, model: Pool) -> None:
        await unmount(self.host, _device(model), place(model))


def _device(model: Pool) -> str:
    source = model.source
    return (source.devices[0].path or "") if source is not None and source.devices else ""


def _format(model: Pool) -> str:
    return (model.source.format.type if model.source is not None else None) or "auto"
