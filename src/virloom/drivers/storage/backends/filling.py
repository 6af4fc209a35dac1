# SPDX-License-Identifier: Apache-2.0
"""The content of one volume becomes that of another, a block device that is there."""

from __future__ import annotations

import asyncio
import json
import os

from virloom.drivers.storage.host import StorageHost
from virloom.drivers.storage.images import image_options
from virloom.drivers.storage.long_work import LongWork
from virloom.drivers.storage.qemu_img import qemu_img
from virloom.enums.error import ErrorDomain
from virloom.errors import system_failure
from virloom.model.storage import Volume

_DOMAIN = ErrorDomain.STORAGE


async def fill_device(host: StorageHost, origin: Volume, volume: Volume) -> None:
    """Copies what a volume has into another one, a block device that is there.

    Raises:
        ConfigUnsupported: The origin is no image that is read here.
        SystemFailure: It cannot be read, or does not fit.
        InternalError: ``qemu-img`` would not, with its words.
    """
    path = volume.target.path or ""
    form = origin.target.format.type
    if origin.type == "file" and form not in ("raw", "iso"):
        options = await asyncio.to_thread(
            image_options, origin.target.path or "", form or "raw", host.holds
        )
        words = ["-n", "-O", "raw", f"json:{json.dumps(options)}", path]
        await qemu_img(host, "convert", words, doing=f"cannot fill volume '{volume.name}'")
        return
    try:
        await asyncio.to_thread(_copy_device, host.work, origin.target.path or "", path)
    except OSError as exc:
        raise system_failure(
            f"cannot copy '{origin.target.path}' to volume '{volume.name}'", exc, domain=_DOMAIN
        ) from exc


def _copy_device(work: LongWork, origin: str, path: str) -> None:
    flags = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    source = os.open(origin, os.O_RDONLY | flags)
    try:
        target = os.open(path, os.O_WRONLY | flags)
        try:
            size = os.lseek(source, 0, os.SEEK_END)
            position = 0
            while position < size:
                work.require_going()
                data = os.pread(source, min(4 << 20, size - position), position)
                if not data:
                    break
                position += os.pwrite(target, data, position)
            os.fsync(target)
        finally:
            os.close(target)
    finally:
        os.close(source)
