# SPDX-License-Identifier: Apache-2.0
"""The content of one volume becomes that of a new one, whose file has no name yet."""

from __future__ import annotations

import asyncio
import copy
import errno
import fcntl
import json
import os
from typing import Any

from virloom.drivers.runtime.arguments import unknown_flags
from virloom.drivers.storage.encryption import KEY, Keys
from virloom.drivers.storage.images import check_backing, image_options
from virloom.drivers.storage.long_work import LongWork
from virloom.drivers.storage.making import Unfinished, allocate, make_image, make_raw, qcow2_options
from virloom.drivers.storage.qemu_img import qemu_img
from virloom.enums.error import ErrorDomain
from virloom.enums.storage import StorageVolCreateFlags
from virloom.errors import ConfigUnsupported, InternalError, system_failure
from virloom.model.storage import Volume

_DOMAIN = ErrorDomain.STORAGE
Node = dict[str, Any]
#: ``FICLONE`` of ``linux/fs.h``.
_FICLONE = 0x40049409
#: Bytes of one copy; between two of them the work can be given up.
_STEP = 64 << 20
_SECTOR = 512
_REFLINK = int(StorageVolCreateFlags.REFLINK)
#: What ``qemu-img`` calls the passphrase of the volume that is copied.
_ORIGIN = "origin"
#: What says that a file system shares no blocks.
_NO_SHARING = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY)


def check_copy(origin: Volume, model: Volume, *, reflink: bool) -> None:
    """Refuses a copy that cannot be made in the way that is asked for; by a thread.

    It is laid over nothing, as with libvirt, which yet checks what the document says of that.

    Raises:
        InvalidArg: Blocks are to be shared by what has not the same ones.
        ConfigUnsupported: It is to be laid over something, which its format does not have.
        InternalError: Both are laid over something, and not over the same, or it cannot be
            (libvirt's code).
        SystemFailure: There is nothing that it could be laid over.
    """
    plain = _is_plain(model) and (origin.type == "dir" or _is_plain(origin))
    if reflink and not plain and "dir" not in (origin.type, model.target.format.type):
        raise unknown_flags(_REFLINK, "storageBackendCreateQemuImg", _DOMAIN)
    below, wanted = origin.backing_store, model.backing_store
    if wanted is None or plain:
        return
    if model.target.format.type == "raw":
        raise ConfigUnsupported("cannot set backing store for raw volume", domain=_DOMAIN)
    if below is not None and below.path != wanted.path:
        raise InternalError("a different backing store cannot be specified.", domain=_DOMAIN)
    check_backing(model.target.path or "", wanted.path or "", wanted.format.type or "raw")


async def copy_volume(
    origin: Volume, model: Volume, file: Unfinished, *, metadata: bool, reflink: bool, keys: Keys
) -> None:
    """Fills *file*: raw to raw by the kernel, anything else by ``qemu-img convert``.

    Args:
        metadata: The tables of the new image are written for all of its capacity.
        reflink: The blocks are to be shared; without it they are where the file system can.
        keys: The passphrases of both, where they are encrypted.

    Raises:
        ConfigUnsupported: The origin is no image that is read here.
        SystemFailure: It cannot be read, there is no room, or blocks cannot be shared.
        InternalError: ``qemu-img`` would not, with its words.
    """
    kind = origin.target.format.type
    if origin.type == "dir" and _is_plain(model):
        await asyncio.to_thread(make_raw, model, file)  # as libvirt: there is nothing in it
        return
    if origin.type == "dir":
        raise InternalError(
            f"volume '{model.name}' cannot have the content of directory '{origin.name}'",
            domain=ErrorDomain.NONE,
        )
    if origin.type not in ("file", "block") or kind not in ("raw", "qcow2", "iso"):
        raise ConfigUnsupported(
            f"volume '{origin.name}' of format '{kind}' is not copied here", domain=_DOMAIN
        )
    if _is_plain(origin) and _is_plain(model):
        await _copy_raw(origin, model, file, reflink=reflink)
        return
    await _convert(origin, model, file, metadata=metadata, keys=keys)


def _is_plain(volume: Volume) -> bool:
    """Whether a guest sees the bytes of the file."""
    target = volume.target
    return target.format.type in ("raw", "iso") and target.encryption is None


async def _copy_raw(origin: Volume, model: Volume, file: Unfinished, *, reflink: bool) -> None:
    path = origin.target.path or ""
    try:
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as exc:
        raise system_failure(f"cannot open file '{path}'", exc, domain=_DOMAIN) from exc
    try:
        await asyncio.to_thread(_fill, source, file, model, reflink)
    except OSError as exc:
        raise system_failure(
            f"cannot copy '{path}' to volume '{model.name}'", exc, domain=_DOMAIN
        ) from exc
    finally:
        os.close(source)


def _fill(source: int, file: Unfinished, model: Volume, reflink: bool) -> None:
    size, target = os.lseek(source, 0, os.SEEK_END), file.fd
    if not _share(source, target, required=reflink):
        copy_data(source, target, size, file.host.work)
    capacity, allocation = model.capacity.value or 0, model.allocation.value or 0
    os.ftruncate(target, max(size, capacity))
    if allocation:
        allocate(target, allocation, file.host.work)


def _share(source: int, target: int, *, required: bool) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as exc:
        if required or exc.errno not in _NO_SHARING:
            raise
        return False
    return True


def copy_data(source: int, target: int, size: int, work: LongWork) -> None:
    """Copies what is in a file, by the kernel; its holes stay holes.

    Raises:
        OperationAborted: The work was given up.
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
        _copy_section(source, target, begin, end, work)
        position = end


def _copy_section(source: int, target: int, begin: int, end: int, work: LongWork) -> None:
    while begin < end:
        work.require_going()
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


async def _convert(
    origin: Volume, model: Volume, file: Unfinished, *, metadata: bool, keys: Keys
) -> None:
    kind = model.target.format.type or "raw"
    doing = f"cannot make volume '{model.name}'"
    form = "qcow2" if origin.target.format.type == "qcow2" else "raw"
    source = await asyncio.to_thread(
        image_options, origin.target.path or "", form, file.host.holds,
        encryption=None if keys.origin is None else "luks", key=_ORIGIN,
    )  # fmt: skip
    held = {} if keys.origin is None else {_ORIGIN: keys.origin}
    if keys.new is not None:
        await _convert_into(model, file, source, held | {KEY: keys.new}, metadata=metadata)
        return
    words = ["-O", kind]
    if kind == "qcow2":
        words += ["-o", qcow2_options(model, metadata=metadata)]
    await qemu_img(file.host, "convert", [*words, _json(source), file.path], doing=doing, keys=held)
    capacity, former = model.capacity.value or 0, origin.capacity.value or 0
    if capacity > -(-former // _SECTOR) * _SECTOR:  # an image ends with a whole sector
        target = {"driver": kind, "file": {"driver": "file", "filename": file.path}}
        await qemu_img(file.host, "resize", [_json(target), str(capacity)], doing=doing)


async def _convert_into(
    model: Volume, file: Unfinished, source: Node, keys: dict[str, bytes], *, metadata: bool
) -> None:
    """Into an encrypted image, which ``qemu-img`` must make first: it opens it with the key."""
    alone = copy.copy(model)
    alone.backing_store = None
    await make_image(alone, file, metadata=metadata, key=keys[KEY])
    target: Node = {"file": {"driver": "file", "filename": file.path}}
    if model.target.format.type == "qcow2":
        target |= {"driver": "qcow2", "encrypt": {"format": "luks", "key-secret": KEY}}
    else:
        target |= {"driver": "luks", "key-secret": KEY}
    words = ["-n", "-O", target["driver"], _json(source), _json(target)]
    doing = f"cannot make volume '{model.name}'"
    await qemu_img(file.host, "convert", words, doing=doing, keys=keys)


def _json(node: Node) -> str:
    return f"json:{json.dumps(node)}"
