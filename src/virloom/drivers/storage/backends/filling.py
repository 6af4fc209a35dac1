# SPDX-License-Identifier: Apache-2.0
"""What a volume has that is a block device: a header of LUKS, the content of another volume."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from virloom.drivers.storage import encryption
from virloom.drivers.storage.encryption import KEY
from virloom.drivers.storage.host import StorageHost
from virloom.drivers.storage.images import image_options
from virloom.drivers.storage.long_work import LongWork
from virloom.drivers.storage.qemu_img import qemu_img
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, system_failure
from virloom.model.storage import Volume
from virloom.model.storage.volume import Encryption

_DOMAIN = ErrorDomain.STORAGE
Node = dict[str, Any]


async def make_luks(host: StorageHost, model: Volume, key: bytes) -> None:
    """Writes the header of an encrypted volume to its device, which is larger by that.

    Args:
        key: The passphrase.

    Raises:
        InternalError: ``qemu-img`` would not, with its words.
    """
    options = encryption.options(model.target.encryption or Encryption())
    words = ["-f", "luks", "-o", ",".join(options)]
    await qemu_img(
        host, "create", [*words, model.target.path or "", str(model.capacity.value)],
        doing=f"cannot encrypt volume '{model.name}'", keys={KEY: key},
    )  # fmt: skip


async def fill_device(
    host: StorageHost, origin: Volume, volume: Volume, key: bytes | None = None
) -> None:
    """Copies what a volume has into another one, a block device that is there.

    Args:
        key: The passphrase of a device that has a LUKS header, behind which the copy goes.

    Raises:
        ConfigUnsupported: The origin is no image that is read here, or is encrypted.
        SystemFailure: It cannot be read, or does not fit.
        InternalError: ``qemu-img`` would not, with its words.
    """
    path = volume.target.path or ""
    form = origin.target.format.type
    if origin.target.encryption is not None:
        raise ConfigUnsupported(
            f"volume '{origin.name}' is encrypted, and not copied to a device", domain=_DOMAIN
        )
    image = origin.type == "file" and form not in ("raw", "iso")
    if image or key is not None:
        await _convert(host, await _source(host, origin, image=image), volume, key)
        return
    try:
        await asyncio.to_thread(_copy_device, host.work, origin.target.path or "", path)
    except OSError as exc:
        raise system_failure(
            f"cannot copy '{origin.target.path}' to volume '{volume.name}'", exc, domain=_DOMAIN
        ) from exc


async def _source(host: StorageHost, origin: Volume, *, image: bool) -> Node:
    path, form = origin.target.path or "", origin.target.format.type or "raw"
    if not image:
        driver = "host_device" if origin.type == "block" else "file"
        return {"driver": "raw", "file": {"driver": driver, "filename": path}}
    return await asyncio.to_thread(image_options, path, form, host.holds)


async def _convert(host: StorageHost, source: Node, volume: Volume, key: bytes | None) -> None:
    form: Node = {"driver": "raw"} if key is None else {"driver": "luks", "key-secret": KEY}
    target = form | {"file": {"driver": "host_device", "filename": volume.target.path}}
    words = ["-n", "-O", form["driver"], *(f"json:{json.dumps(node)}" for node in (source, target))]
    doing = f"cannot fill volume '{volume.name}'"
    await qemu_img(host, "convert", words, doing=doing, keys={} if key is None else {KEY: key})


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
