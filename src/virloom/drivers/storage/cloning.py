# SPDX-License-Identifier: Apache-2.0
"""The content of one volume becomes that of a new one, whose file has no name yet."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os

from virloom.drivers.storage.images import image_options
from virloom.drivers.storage.making import Unfinished, qcow2_options
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, system_failure
from virloom.host.process import run
from virloom.model.storage import Volume

_DOMAIN = ErrorDomain.STORAGE
#: ``FICLONE`` of ``linux/fs.h``.
_FICLONE = 0x40049409
#: Bytes of one copy; between two of them the work can be given up.
_STEP = 64 << 20
_SECTOR = 512
_PATIENCE = 24 * 3600.0
#: What says that a file system shares no blocks.
_NO_SHARING = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY)


async def copy_volume(
    origin: Volume, model: Volume, file: Unfinished, *, metadata: bool, reflink: bool
) -> None:
    """Fills *file*: raw to raw by the kernel, anything else by ``qemu-img convert``.

    Args:
        metadata: The tables of the new image are written for all of its capacity.
        reflink: The blocks are to be shared; without it they are where the file system can.

    Raises:
        ConfigUnsupported: The origin is no image that is read here.
        SystemFailure: It cannot be read, there is no room, or blocks cannot be shared.
        InternalError: ``qemu-img`` would not, with its words.
    """
    kinds = (origin.target.format.type, model.target.format.type)
    if origin.type not in ("file", "block") or kinds[0] not in ("raw", "qcow2", "iso"):
        raise ConfigUnsupported(
            f"volume '{origin.name}' of format '{kinds[0]}' is not copied here", domain=_DOMAIN
        )
    if kinds[1] == "raw" and kinds[0] != "qcow2":
        await _copy_raw(origin, model, file, reflink=reflink)
        return
    if reflink:
        raise ConfigUnsupported("only raw volumes share their blocks with raw ones", domain=_DOMAIN)
    await _convert(origin, model, file, metadata=metadata)


async def _copy_raw(origin: Volume, model: Volume, file: Unfinished, *, reflink: bool) -> None:
    path = origin.target.path or ""
    try:
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as exc:
        raise system_failure(f"cannot open file '{path}'", exc, domain=_DOMAIN) from exc
    try:
        await asyncio.to_thread(_fill, source, file.fd, model, reflink)
    except OSError as exc:
        raise system_failure(
            f"cannot copy '{path}' to volume '{model.name}'", exc, domain=_DOMAIN
        ) from exc
    finally:
        os.close(source)


def _fill(source: int, target: int, model: Volume, reflink: bool) -> None:
    size = os.lseek(source, 0, os.SEEK_END)
    if not _share(source, target, required=reflink):
        copy_data(source, target, size)
    capacity, allocation = model.capacity.value or 0, model.allocation.value or 0
    os.ftruncate(target, max(size, capacity))
    if allocation:
        os.posix_fallocate(target, 0, allocation)


def _share(source: int, target: int, *, required: bool) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as exc:
        if required or exc.errno not in _NO_SHARING:
            raise
        return False
    return True


def copy_data(source: int, target: int, size: int) -> None:
    """Copies what is in a file, by the kernel; its holes stay holes.

    Raises:
        OSError: It cannot be read, or there is no room.
    """
    position = 0
    while position < size:
        try:
            begin = os.lseek(source, position, os.SEEK_DATA)
        except OSError as exc:
            if exc.errno == errno.ENXIO:  # nothing but a hole follows
                return
            raise
        end = min(size, os.lseek(source, begin, os.SEEK_HOLE))
        _copy_section(source, target, begin, end)
        position = end


def _copy_section(source: int, target: int, begin: int, end: int) -> None:
    while begin < end:
        length = min(_STEP, end - begin)
        try:
            done = os.copy_file_range(source, target, length, begin, begin)
        except OSError as exc:
            if exc.errno not in (*_NO_SHARING, errno.ENOSYS):
                raise
            done = os.pwrite(target, os.pread(source, min(length, 4 << 20), begin), begin)
        if done == 0:
            return  # somebody has made the file shorter
        begin += done


async def _convert(origin: Volume, model: Volume, file: Unfinished, *, metadata: bool) -> None:
    kind = model.target.format.type or "raw"
    form = "qcow2" if origin.target.format.type == "qcow2" else "raw"
    options = await asyncio.to_thread(image_options, origin.target.path or "", form)
    words = ["qemu-img", "convert", "-q", "-O", kind]
    if kind == "qcow2":
        words += ["-o", qcow2_options(model, metadata=metadata)]
    await _qemu_img([*words, f"json:{json.dumps(options)}", file.path], model)
    capacity, former = model.capacity.value or 0, origin.capacity.value or 0
    if capacity > -(-former // _SECTOR) * _SECTOR:  # an image ends with a whole sector
        target = {"driver": kind, "file": {"driver": "file", "filename": file.path}}
        name = f"json:{json.dumps(target)}"
        await _qemu_img(["qemu-img", "resize", "-q", name, str(capacity)], model)


async def _qemu_img(words: list[str], model: Volume) -> None:
    done = await run(words, timeout=_PATIENCE)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise InternalError(f"cannot make volume '{model.name}': {said}", domain=_DOMAIN)
