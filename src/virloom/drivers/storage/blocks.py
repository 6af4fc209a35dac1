# SPDX-License-Identifier: Apache-2.0
"""Volumes that are block devices of the host; all of it waits for devices, so threads call it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from virloom.drivers.storage.statuses import permissions_of, times_of
from virloom.drivers.storage.volumes import in_bytes
from virloom.enums.error import ErrorDomain
from virloom.errors import StorageProbeFailed, system_failure
from virloom.host.birth import birth
from virloom.model.storage import Pool, Volume
from virloom.model.storage.volume import Extent, VolumeDevice, VolumeSource

_OPENING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def block_volume(path: str, name: str) -> Volume:
    """The volume that a block device is; nothing of its content is read.

    Raises:
        SystemFailure: It cannot be opened.
        StorageProbeFailed: It is no block device.
    """
    try:
        descriptor = os.open(path, _OPENING)
    except OSError as exc:
        raise system_failure(
            f"cannot open volume '{path}'", exc, domain=ErrorDomain.STORAGE
        ) from exc
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISBLK(status.st_mode):
            raise StorageProbeFailed(f"'{path}' is no block device", domain=ErrorDomain.STORAGE)
        length = os.lseek(descriptor, 0, os.SEEK_END)
        volume = Volume(type="block", name=name, key=path, source=VolumeSource())
        volume.target.permissions = permissions_of(status, 0o7777)
        volume.target.timestamps = times_of(status, birth(descriptor))
    finally:
        os.close(descriptor)
    volume.target.path = path
    volume.capacity = volume.allocation = volume.physical = in_bytes(length)
    return volume


def named_volume(kind: str, name: str, path: str, size: int) -> Volume:
    """A volume of which only that is known: of a server's, say.

    Args:
        kind: ``block`` or ``network``.
        size: In bytes.
    """
    volume = Volume(type=kind, name=name, key=path, source=VolumeSource())
    volume.target.path = path
    volume.capacity = volume.allocation = in_bytes(size)
    return volume


def fill_sizes(model: Pool, volumes: Iterable[Volume]) -> None:
    """Notes the sizes of a pool that is all given to its volumes."""
    total = sum(volume.capacity.value or 0 for volume in volumes)
    model.capacity = model.allocation = in_bytes(total)
    model.available = in_bytes(0)


def part_of(device: str, start: int, end: int) -> VolumeSource:
    """What a volume says of its place on a device, in bytes."""
    extent = Extent(start=str(start), end=str(end))
    return VolumeSource(devices=[VolumeDevice(path=device, extents=[extent])])


def stable_path(target: str, device: str) -> str:
    """The name below *target* (``/dev/disk/by-path``, say) that leads to *device*.

    *device* itself where the target is no directory of links, or none of them leads there.
    """
    if target in ("/dev", "") or not target.startswith("/dev/"):
        return device
    wanted = os.path.realpath(device)
    try:
        names = sorted(os.listdir(target))
    except OSError:
        return device
    for name in names:
        path = os.path.join(target, name)
        if os.path.realpath(path) == wanted:
            return path
    return device
