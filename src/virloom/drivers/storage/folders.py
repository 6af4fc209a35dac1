# SPDX-License-Identifier: Apache-2.0
"""Volumes that are directories, as containers have them for their root."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil

from virloom.drivers.runtime.steps import reached
from virloom.drivers.storage.host import StorageHost
from virloom.drivers.storage.making import give_away, taken, unfinished_name
from virloom.drivers.storage.qemu_img import ENDING_WITH_US
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, system_failure
from virloom.model.storage import Volume

_DOMAIN = ErrorDomain.STORAGE
#: Seconds: a tree of files may be large.
_PATIENCE = 24 * 3600.0


async def make_folder(host: StorageHost, model: Volume, origin: Volume | None) -> None:
    """Makes the directory of a volume; none of its name is there before it is whole.

    Args:
        host: Where, and for which work.
        origin: Another one whose files it gets, with their owners, modes and attributes, where
            libvirt makes an empty file.

    Raises:
        OperationInvalid: There is something of that name.
        InternalError: The origin is no directory, or cannot be copied.
        SystemFailure: It cannot be made, or its permissions cannot be given.
    """
    path = model.target.path or ""
    unfinished = os.path.join(os.path.dirname(path), unfinished_name())
    descriptor = await asyncio.to_thread(_begin, unfinished)
    try:
        if origin is not None:
            await _copy(host, origin, model, unfinished)
        await asyncio.to_thread(_finish, model, descriptor, unfinished, path)
    finally:
        await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
        os.close(descriptor)


def _begin(path: str) -> int:
    """Makes it, and locks it for as long as somebody works at it."""
    try:
        os.mkdir(path, 0o700)
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as exc:
        raise system_failure(f"cannot create path '{path}'", exc, domain=_DOMAIN) from exc
    reached("volume-begun")
    return descriptor


async def _copy(host: StorageHost, origin: Volume, model: Volume, place: str) -> None:
    if origin.type != "dir":
        raise InternalError(
            f"volume '{model.name}' cannot be a directory with the content of '{origin.name}'",
            domain=ErrorDomain.NONE,
        )
    source = os.path.join(origin.target.path or "", ".")
    done = await host.run(
        [*ENDING_WITH_US, "cp", "-a", "--reflink=auto", "--", source, place], timeout=_PATIENCE
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise InternalError(f"cannot make volume '{model.name}': {said}", domain=ErrorDomain.NONE)


def _finish(model: Volume, descriptor: int, unfinished: str, path: str) -> None:
    give_away(model, descriptor)
    reached("volume-filled")
    if os.path.lexists(path):
        raise taken(path)
    try:
        os.fsync(descriptor)
        os.rename(unfinished, path)  # of what came meanwhile, only an empty directory gives way
        reached("volume-named")
    except OSError as exc:
        raise system_failure(f"cannot create path '{path}'", exc, domain=_DOMAIN) from exc
