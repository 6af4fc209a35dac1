# SPDX-License-Identifier: Apache-2.0
"""Pools whose volumes are the files of a directory; kinds differ in how that comes to be there."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping

from virloom.drivers.storage.backends.copying import set_copying
from virloom.drivers.storage.backends.paths import PathBackend
from virloom.drivers.storage.cloning import check_copy, copy_volume
from virloom.drivers.storage.encryption import Keys, look_up
from virloom.drivers.storage.flags import check_build_flags, check_flags
from virloom.drivers.storage.folders import make_folder
from virloom.drivers.storage.making import (
    UNFINISHED,
    Unfinished,
    check_makeable,
    give_away,
    make_image,
    make_raw,
    remove_unfinished,
    taken,
)
from virloom.drivers.storage.names import can_be_told
from virloom.drivers.storage.pool import StoragePool
from virloom.drivers.storage.resizing import resize
from virloom.drivers.storage.scan import measure, remember, scan, volume_at
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import StoragePoolDeleteFlags
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    OperationInvalid,
    StorageVolExist,
    system_failure,
)
from virloom.model.storage import Pool, Volume

_DOMAIN = ErrorDomain.STORAGE
#: Bytes of a file's name.
_LONGEST = 255
#: libvirt's mode of a pool's directory that says none.
_MODE = 0o711


def place(model: Pool) -> str:
    """The pool's directory.

    Raises:
        ConfigUnsupported: It has no fixed place.
    """
    path = model.target.path or ""
    if not os.path.isabs(path):
        raise ConfigUnsupported(f"the target path '{path}' is not absolute", domain=_DOMAIN)
    return path


class FileBackend(PathBackend):
    """Volumes are files."""

    async def look(self, model: Pool) -> dict[str, Volume]:
        """The volumes of the pool, whose sizes and permissions *model* gets.

        Raises:
            SystemFailure: The directory cannot be read.
        """
        path = place(model)

        def work() -> dict[str, Volume]:
            remove_unfinished(path)
            volumes = scan(path)
            measure(model)
            return volumes

        return await asyncio.to_thread(work)

    async def measure(self, model: Pool, volumes: Mapping[str, Volume]) -> None:
        await asyncio.to_thread(measure, model)

    async def build(self, model: Pool, flags: int) -> None:
        """Makes the directory, and those above it; one that is there gets what the document says.

        Raises:
            InvalidArg: There are other flags than those of file systems, or both of them.
            OperationInvalid: There is one of them: there is no device that could be formatted.
            SystemFailure: It cannot be made.
        """
        check_build_flags(flags, "virStorageBackendFileSystemBuild")
        await self.make_directory(model)
        if flags:
            raise OperationInvalid(
                f"No source device specified when formatting pool '{model.name}'", domain=_DOMAIN
            )

    async def make_directory(self, model: Pool) -> None:
        """Makes the directory, as :meth:`build`."""
        await asyncio.to_thread(_build, model, place(model))
        if model.features.cow.state is not None:
            await asyncio.to_thread(set_copying, place(model), model.features.cow.state)

    async def delete(self, model: Pool, flags: int) -> None:
        """Removes the directory, which must be empty.

        Raises:
            SystemFailure: It is not, or may not be removed.
        """
        check_flags(flags, StoragePoolDeleteFlags.NORMAL, "virStorageBackendDeleteLocal")
        path = place(model)
        try:
            await asyncio.to_thread(os.rmdir, path)
        except OSError as exc:
            raise system_failure(f"failed to remove pool '{path}'", exc, domain=_DOMAIN) from exc

    def check_new(self, pool: StoragePool, model: Volume) -> None:
        """Refuses a volume that cannot be one of this pool, and gives it its place.

        Raises:
            StorageVolExist: There is one of that name, or one is being made.
            OperationInvalid: Its name would lead out of the pool, or cannot be a file's.
            SystemFailure: It is too long for one.
        """
        name = model.name or ""
        if name in pool.volumes or name in pool.building:
            raise StorageVolExist(f"'{name}'", domain=_DOMAIN)
        if "/" in name or name in (".", "..") or not can_be_told(name) or UNFINISHED.match(name):
            raise OperationInvalid(
                f"volume name '{name[:80]}' cannot be that of a file of the pool", domain=_DOMAIN
            )
        if len(os.fsencode(name)) > _LONGEST:
            error = OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
            raise system_failure(f"cannot create file '{name[:80]}…'", error, domain=_DOMAIN)
        model.key = model.target.path = os.path.join(place(pool.model), name)

    async def make(
        self,
        pool: Pool,
        model: Volume,
        *,
        metadata: bool,
        origin: Volume | None = None,
        reflink: bool = False,
    ) -> Volume:
        """Makes the file of a volume; none is there before it is whole.

        Args:
            origin: The volume whose content it gets.
            reflink: It is to share the blocks of that.

        Raises:
            ConfigUnsupported: Its format is none that can be made.
            NoSecret, InvalidArg: It is to be encrypted, and there is no passphrase.
            OperationInvalid: There is a file of that name.
            SystemFailure: There is no room for it, or its permissions cannot be given.
            InternalError: ``qemu-img`` would not.
        """
        if origin is not None:
            await asyncio.to_thread(check_copy, origin, model, reflink=reflink)
        check_makeable(model, metadata=metadata, copied=origin is not None)
        path = model.target.path or ""
        if await asyncio.to_thread(os.path.lexists, path):
            raise taken(path)
        if model.target.format.type == "dir":
            await make_folder(self.host, model, origin)
            return await asyncio.to_thread(_made, model)
        keys = await self._keys(model, origin)
        with Unfinished(place(pool), self.host) as file:
            if origin is not None:
                await copy_volume(
                    origin, model, file, metadata=metadata, reflink=reflink, keys=keys
                )
            elif model.target.format.type == "raw" and keys.new is None:
                await asyncio.to_thread(make_raw, model, file)
            else:
                await make_image(model, file, metadata=metadata, key=keys.new)

            def finish() -> Volume:
                give_away(model, file.fd)
                file.finish(path)
                return _made(model)

            return await asyncio.to_thread(finish)

    async def _keys(self, model: Volume, origin: Volume | None) -> Keys:
        areas = self.host.areas
        new = await look_up(areas, model)
        return Keys(new, await look_up(areas, origin) if origin is not None else None)

    async def remove(self, pool: Pool, volume: Volume, flags: int) -> None:
        """Removes the file of a volume; one that is gone already is no error.

        Raises:
            SystemFailure: It cannot be removed.
        """
        check_flags(flags, 0, "virStorageBackendVolDeleteLocal")
        path = volume.target.path or ""
        try:
            await asyncio.to_thread(os.rmdir if volume.type == "dir" else os.unlink, path)
        except FileNotFoundError:
            return
        except OSError as exc:
            raise system_failure(f"cannot unlink file '{path}'", exc, domain=_DOMAIN) from exc

    async def resize(
        self, pool: Pool, volume: Volume, capacity: int, *, allocate: bool, shrink: bool
    ) -> None:
        key = await look_up(self.host.areas, volume)
        await resize(self.host, volume, capacity, allocate=allocate, shrink=shrink, key=key)


def _made(model: Volume) -> Volume:
    volume = volume_at(os.path.dirname(model.target.path or ""), model.name or "")
    remember(model, volume)
    return volume


def _build(model: Pool, path: str) -> None:
    wanted = model.target.permissions
    try:
        there = os.path.isdir(path)
        os.makedirs(path, mode=0o755, exist_ok=True)
        if wanted.mode is not None or not there:
            os.chmod(path, int(wanted.mode, 8) if wanted.mode is not None else _MODE)
        if wanted.owner is not None or wanted.group is not None:
            os.chown(path, int(wanted.owner or -1), int(wanted.group or -1))
    except OSError as exc:
        raise system_failure(f"cannot create path '{path}'", exc, domain=_DOMAIN) from exc
    except (ValueError, OverflowError) as exc:
        raise InternalError(f"cannot give '{path}' what is asked: {exc}", domain=_DOMAIN) from exc
