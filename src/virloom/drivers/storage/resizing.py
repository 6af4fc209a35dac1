# SPDX-License-Identifier: Apache-2.0
"""Volumes get another capacity."""

from __future__ import annotations

import asyncio
import errno
import json
import os

from virloom.drivers.storage.encryption import KEY
from virloom.drivers.storage.host import StorageHost
from virloom.drivers.storage.images import image_options
from virloom.drivers.storage.long_work import LongWork
from virloom.drivers.storage.making import allocate
from virloom.drivers.storage.qemu_img import qemu_img
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import StorageVolResizeFlags as Flags
from virloom.errors import (
    InternalError,
    InvalidArg,
    OperationFailed,
    OperationUnsupported,
    system_failure,
)
from virloom.model.storage import Volume

#: off_t ends there.
_MOST = (1 << 63) - 1
#: Bytes of which images are multiples.
_SECTOR = 512
_DOMAIN, _NONE = ErrorDomain.STORAGE, ErrorDomain.NONE


def new_capacity(volume: Volume, room: int, capacity: int, flags: int) -> int:
    """The capacity that is asked for, in bytes.

    Args:
        room: Bytes that the pool has left.

    Raises:
        InvalidArg: It is less than what the volume occupies, or than it has and that is not asked.
        OperationFailed: All of it is to be allocated, and the pool has no room for it.
    """
    now, used = volume.capacity.value or 0, volume.allocation.value or 0
    if flags & Flags.DELTA:
        wanted = now - min(capacity, now) if flags & Flags.SHRINK else now + capacity
    else:
        wanted = capacity
    if wanted < used:
        raise _wrong("can't shrink capacity below existing allocation")
    if wanted < now and not flags & Flags.SHRINK:
        raise _wrong("Can't shrink capacity below current capacity unless that is asked for")
    if flags & Flags.ALLOCATE and wanted > used + room:
        raise OperationFailed("Not enough space left in storage pool", domain=_DOMAIN)
    return wanted


def _wrong(what: str) -> InvalidArg:
    return InvalidArg(what, domain=_DOMAIN)


async def resize(
    host: StorageHost,
    volume: Volume,
    capacity: int,
    *,
    allocate: bool,
    shrink: bool,
    key: bytes | None = None,
) -> None:
    """Gives the file that capacity.

    Args:
        key: The passphrase of an encrypted volume.

    Raises:
        OperationUnsupported: Blocks are to be allocated of what is not raw.
        ConfigUnsupported: It is laid over what is not opened here.
        StorageProbeFailed: Its header is damaged, or that of an image below it.
        SystemFailure: The file system would not; the volume is as long as it was.
        OperationAborted: The work of *host* was given up; likewise.
        InternalError: Its format has no size to change; ``qemu-img`` would not, with its words.
    """
    path, kind = volume.target.path or "", volume.target.format.type
    encrypted = volume.target.encryption is not None
    if volume.type != "file" or kind not in ("raw", "qcow2", "iso"):
        raise InternalError(f"volumes of format '{kind}' are not resized", domain=_NONE)
    if kind == "qcow2" or encrypted:
        capacity = -(-capacity // _SECTOR) * _SECTOR
        if allocate:
            raise OperationUnsupported(
                "blocks are allocated of raw volumes that are not encrypted, only", domain=_DOMAIN
            )
        await _resize_image(host, volume, capacity, shrink=shrink, key=key)
        return
    try:
        await asyncio.to_thread(_resize_raw, path, capacity, allocate, host.work)
    except OSError as exc:
        raise system_failure(f"Failed to resize '{path}'", exc, domain=_NONE) from exc


def _resize_raw(path: str, capacity: int, allocating: bool, work: LongWork) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if capacity > _MOST or (allocating and not capacity):  # as with libvirt
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if allocating:
            _allocate(descriptor, capacity, work)
        os.ftruncate(descriptor, capacity)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _allocate(descriptor: int, capacity: int, work: LongWork) -> None:
    """Allocates all of it, or leaves the file as long as it was."""
    former = os.fstat(descriptor).st_size
    try:
        allocate(descriptor, capacity, work)
    except BaseException:
        if former < capacity:
            os.ftruncate(descriptor, former)
        raise


async def _resize_image(
    host: StorageHost, volume: Volume, capacity: int, *, shrink: bool, key: bytes | None
) -> None:
    """By ``qemu-img``, which sees the images below too.

    What lies behind the end of a shorter one must not come to light.
    """
    path = volume.target.path or ""
    image = await asyncio.to_thread(
        image_options, path, volume.target.format.type or "raw", host.holds,
        encryption=None if key is None else "luks", key=KEY,
    )  # fmt: skip
    # Not given up half-way: it changes the image in its place.
    await qemu_img(
        host.working(LongWork()), "resize",
        [*(["--shrink"] if shrink else []), f"json:{json.dumps(image)}", str(capacity)],
        doing=f"cannot resize '{path}'", keys={} if key is None else {KEY: key},
    )  # fmt: skip
