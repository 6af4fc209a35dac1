# SPDX-License-Identifier: Apache-2.0
"""The files of a directory as volumes, and the room that is left beside them.

All of it waits for the file system, so it is called by a thread.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator

from virloom.drivers.runtime.image import Backing, head_of
from virloom.drivers.storage.making import UNFINISHED
from virloom.drivers.storage.probe import Probed, probe
from virloom.drivers.storage.volumes import in_bytes
from virloom.enums.error import ErrorDomain
from virloom.errors import StorageProbeFailed, VirloomError, system_failure
from virloom.host.birth import birth
from virloom.model.storage import Pool, Volume
from virloom.model.storage.target import Amount, FormatType, Permissions, Timestamps
from virloom.model.storage.volume import ImageFeatures, VolumeBacking, VolumeSource

_OPENING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
#: Names that no document can have.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def scan(directory: str) -> dict[str, Volume]:
    """The volumes of a directory, by name.

    What is neither a file nor a block device nor a directory is none, and what cannot be opened
    by us is left out, as is what goes while we look.

    Raises:
        SystemFailure: The directory cannot be read.
    """
    try:
        names = os.listdir(directory)
    except OSError as exc:
        raise system_failure(
            f"cannot open path '{directory}'", exc, domain=ErrorDomain.NONE
        ) from exc
    return {volume.name or "": volume for volume in _volumes(directory, names)}


def _volumes(directory: str, names: list[str]) -> Iterator[Volume]:
    for name in names:
        if UNFINISHED.match(name) or _CONTROL.search(name) or not name.isprintable():
            continue
        try:
            yield volume_at(directory, name)
        except (OSError, VirloomError):
            continue  # gone, closed to us, or no storage


def volume_at(directory: str, name: str) -> Volume:
    """The volume that a file is.

    Raises:
        OSError: It cannot be opened.
        StorageProbeFailed: It is no storage: a pipe, a socket.
    """
    path = os.path.join(directory, name)
    descriptor = os.open(path, _OPENING)
    try:
        status = os.fstat(descriptor)
        times = _times(status, birth(descriptor))
        if stat.S_ISDIR(status.st_mode):
            return _of_directory(name, path, status, times)
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISBLK(status.st_mode):
            raise StorageProbeFailed(f"'{path}' is no storage")
        length = os.lseek(descriptor, 0, os.SEEK_END)
        probed = probe(head_of(descriptor, path), path)
    finally:
        os.close(descriptor)
    return _of_file(_named(name, path, status, times), status, length, probed)


def remember(former: Volume, volume: Volume) -> None:
    """Lets *volume* say of its format what *former* said: only a refresh looks at that anew."""
    volume.target.format.type = former.target.format.type
    volume.target.compat = former.target.compat
    volume.target.cluster_size = former.target.cluster_size
    volume.target.features = former.target.features


def _named(name: str, path: str, status: os.stat_result, times: Timestamps) -> Volume:
    model = Volume()
    model.name = name
    model.key = path
    model.source = VolumeSource()
    model.target.path = path
    model.target.permissions = permissions_of(status, 0o7777)
    model.target.timestamps = times
    return model


def _of_directory(name: str, path: str, status: os.stat_result, times: Timestamps) -> Volume:
    model = _named(name, path, status, times)
    model.type = "dir"
    model.capacity = model.allocation = in_bytes(0)
    model.target.format.type = "dir"
    return model


def _of_file(model: Volume, status: os.stat_result, length: int, probed: Probed) -> Volume:
    block = stat.S_ISBLK(status.st_mode)
    model.type = "block" if block else "file"
    model.capacity = in_bytes(length if probed.capacity is None else probed.capacity)
    model.allocation = in_bytes(length if block else status.st_blocks * 512)
    model.physical = in_bytes(length) if length else Amount()
    target = model.target
    target.format.type = probed.format
    target.compat = probed.compat
    if probed.cluster is not None:
        target.cluster_size.unit, target.cluster_size.value = "B", probed.cluster
    if probed.compat == "1.1":
        target.features = ImageFeatures(
            lazy_refcounts=probed.lazy_refcounts, extended_l2=probed.extended_l2
        )
    if probed.backing is not None:
        model.backing_store = _backing(target.path or "", probed.backing)
    return model


def _backing(path: str, named: Backing) -> VolumeBacking:
    """What the image at *path* is laid over, and what the file system says of it, unopened."""
    place = os.path.normpath(os.path.join(os.path.dirname(path), named.reference))
    backing = VolumeBacking(path=place, format=FormatType(type=named.format))
    try:
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except (OSError, ValueError):
        return backing
    try:
        status = os.fstat(descriptor)
        backing.permissions = permissions_of(status, 0o7777)
        backing.timestamps = _times(status, birth(descriptor))
    finally:
        os.close(descriptor)
    return backing


def permissions_of(status: os.stat_result, mask: int) -> Permissions:
    """Who may do what, as documents say it."""
    return Permissions(
        mode=f"0{status.st_mode & mask:03o}",
        owner=str(status.st_uid), group=str(status.st_gid),
    )  # fmt: skip


def _times(status: os.stat_result, born: int | None) -> Timestamps:
    return Timestamps(
        atime=_time(status.st_atime_ns), mtime=_time(status.st_mtime_ns),
        ctime=_time(status.st_ctime_ns), btime=None if born is None else _time(born),
    )  # fmt: skip


def _time(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{seconds}.{rest:09d}"


def measure(model: Pool) -> None:
    """Notes what the directory's file system holds, and the directory's permissions.

    Raises:
        SystemFailure: There is no such directory.
    """
    path = model.target.path or ""
    try:
        room, status = os.statvfs(path), os.stat(path)
    except OSError as exc:
        raise system_failure(f"cannot statvfs path '{path}'", exc, domain=ErrorDomain.NONE) from exc
    capacity, free = room.f_frsize * room.f_blocks, room.f_frsize * room.f_bfree
    model.capacity = in_bytes(capacity)
    model.available = in_bytes(free)
    model.allocation = in_bytes(capacity - free)
    model.target.permissions = permissions_of(status, 0o7777)
