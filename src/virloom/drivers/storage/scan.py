# SPDX-License-Identifier: Apache-2.0
"""The files of a directory as volumes, and the room that is left beside them.

All of it waits for the file system, so it is called by a thread.
"""

from __future__ import annotations

import contextlib
import copy
import os
import stat
import time
from typing import NamedTuple, TypeVar

from virloom.drivers.runtime.image import Backing, head_of
from virloom.drivers.storage.images import names_protocol
from virloom.drivers.storage.making import UNFINISHED
from virloom.drivers.storage.names import can_be_told
from virloom.drivers.storage.probe import Probed, probe
from virloom.drivers.storage.statuses import looked_at, permissions_of, times_of
from virloom.drivers.storage.volumes import in_bytes
from virloom.enums.error import ErrorDomain
from virloom.errors import StorageProbeFailed, VirloomError, system_failure
from virloom.host.birth import birth
from virloom.model.storage import Pool, Volume
from virloom.model.storage.target import Amount, FormatType, Timestamps
from virloom.model.storage.volume import Encryption, ImageFeatures, VolumeBacking, VolumeSource

#: Nanoseconds after which a change is told by its time: the kernel's clock of files ticks every
#: 10 ms at worst, those of servers may be a second coarse.
_SETTLED = 2 * 10**9
_OPENING = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def scan(directory: str) -> dict[str, Volume]:
    """The volumes of a directory, by name.

    What is neither a file nor a block device nor a directory is none, and what cannot be opened
    by us is left out, as is what goes while we look. A file that has not changed since it was
    looked at is not opened again.

    Raises:
        SystemFailure: The directory cannot be read.
    """
    try:
        names = os.listdir(directory)
    except OSError as exc:
        raise system_failure(
            f"cannot open path '{directory}'", exc, domain=ErrorDomain.NONE
        ) from exc
    volumes: dict[str, Volume] = {}
    for name in names:
        if UNFINISHED.match(name) or not can_be_told(name):
            continue
        try:
            volumes[name] = _SEEN.volume(os.path.join(directory, name), name)
        except (OSError, VirloomError):
            continue  # gone, closed to us, or no storage
    return volumes


def volume_at(directory: str, name: str) -> Volume:
    """The volume that a file is; the caller may change it.

    Raises:
        OSError: It cannot be opened.
        StorageProbeFailed: It is no storage: a pipe, a socket.
    """
    path = os.path.join(directory, name)
    status = os.stat(path)
    return _volume(path, name, status, _SEEN.look(path, status))


class Look(NamedTuple):
    """What is known of a file whose content is that of one moment.

    Attributes:
        probed: What its first bytes say.
        length: Its bytes; of a block device too.
        born: Nanoseconds since the epoch; None where the file system does not keep it.
    """

    probed: Probed
    length: int
    born: int | None


class Seen:
    """What was found out about files, for as long as they are as they were.

    An image is known again by its device and inode, its length, and the times of its last changes,
    in nanoseconds: whoever writes to it changes them, and cannot set the second. A change within
    the clock's last tick is not told by them, so what has just been changed is not kept. A volume
    is known again by all that ``stat`` says.

    Args:
        most: Files of which something is kept; the oldest are forgotten.
        settled: Nanoseconds after which a change is told by its time.
    """

    def __init__(self, most: int, settled: int = _SETTLED) -> None:
        self._most = most
        self._settled = settled
        #: Files that were opened.
        self.opened = 0
        self._looks: dict[tuple[int, ...], Look] = {}
        self._volumes: dict[str, tuple[tuple[int, ...], Volume]] = {}

    def look(self, path: str, status: os.stat_result) -> Look:
        """What the file is, opened only if it is not known.

        Raises:
            OSError: It cannot be opened.
            StorageProbeFailed: It is no storage: a pipe, a socket.
        """
        regular = stat.S_ISREG(status.st_mode)
        if not regular and not stat.S_ISBLK(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise StorageProbeFailed(f"'{path}' is no storage")
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        known = self._looks.get(key)
        if known is not None and regular:
            return known
        self.opened += 1
        found, identity = _open_and_look(path)
        if regular and identity == key and time.time_ns() - status.st_ctime_ns > self._settled:
            _keep(self._looks, key, found, self._most)
        return found

    def volume(self, path: str, name: str) -> Volume:
        """The volume that a file is; it is shared, so nobody may change it.

        Raises:
            OSError, StorageProbeFailed: As :meth:`look`.
        """
        status = os.stat(path)
        key = (
            status.st_dev, status.st_ino, status.st_mode, status.st_uid, status.st_gid,
            status.st_size, status.st_blocks,
            status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns,
        )  # fmt: skip
        known = self._volumes.get(path)
        if known is not None and known[0] == key:
            return known[1]
        found = self.look(path, status)
        volume = _volume(path, name, status, found)
        settled = time.time_ns() - status.st_ctime_ns > self._settled
        if volume.type == "file" and found.probed.backing is None and settled:
            _keep(self._volumes, path, (key, volume), self._most)
        return volume


K = TypeVar("K")
V = TypeVar("V")


def _keep(kept: dict[K, V], key: K, value: V, most: int) -> None:
    kept.pop(key, None)
    kept[key] = value
    while len(kept) > most:
        kept.pop(next(iter(kept)), None)


def _open_and_look(path: str) -> tuple[Look, tuple[int, ...]]:
    """What is at *path*, and which file that was, as :meth:`Seen.look` knows files."""
    descriptor = os.open(path, _OPENING)
    try:
        status = os.fstat(descriptor)
        born = birth(descriptor)
        if stat.S_ISDIR(status.st_mode):
            found = Look(Probed("dir"), 0, born)
        else:
            length = os.lseek(descriptor, 0, os.SEEK_END)
            found = Look(probe(head_of(descriptor, path), path), length, born)
    finally:
        os.close(descriptor)
    return found, (
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns,
    )  # fmt: skip


def _volume(path: str, name: str, status: os.stat_result, found: Look) -> Volume:
    times = times_of(status, found.born)
    if found.probed.format == "dir":
        return _of_directory(name, path, status, times)
    return _of_file(_named(name, path, status, times), status, found.length, found.probed)


def so_far(volume: Volume, path: str | None) -> Volume:
    """A volume that is being made, with the blocks that it has so far.

    Args:
        path: The unfinished file, if there is one.
    """
    shown = copy.copy(volume)
    shown.type = "dir" if volume.target.format.type == "dir" else "file"
    shown.allocation = shown.physical = in_bytes(0)
    with contextlib.suppress(OSError):  # not begun, or whole by now
        if path is not None:
            shown.allocation = shown.physical = in_bytes(os.stat(path).st_blocks * 512)
    return shown


def remember(former: Volume, volume: Volume) -> None:
    """Lets *volume* say of its format what *former* said: only a refresh looks at that anew.

    What is in a raw volume is the guest's, and never tells its size.
    """
    if former.target.format.type == "raw" and former.target.encryption is None:
        volume.capacity = in_bytes(volume.physical.value or 0)
        volume.backing_store = None
    volume.target.encryption = former.target.encryption
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
    model.type = "block" if block else "ploop" if probed.format == "ploop" else "file"
    inside = max(0, length - probed.payload)
    model.capacity = in_bytes(probed.capacity or inside)  # as libvirt: none said is a zero
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
    if probed.encryption is not None:
        target.encryption = Encryption(format=probed.encryption)
    if probed.backing is not None:
        model.backing_store = _backing(target.path or "", probed.backing)
    return model


def _backing(path: str, named: Backing) -> VolumeBacking | None:
    """What the image at *path* is laid over; None where no document can have its name.

    Without a recorded format it is raw: nothing else is it ever opened as.
    """
    if not can_be_told(named.reference):
        return None
    if names_protocol(named.reference):
        return VolumeBacking(path=named.reference, format=FormatType(type="raw"))
    place = os.path.normpath(os.path.join(os.path.dirname(path), named.reference))
    return looked_at(VolumeBacking(path=place, format=FormatType(type=named.format or "raw")))


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


#: Of all pools: what it holds follows from what it is asked by, whoever asks.
_SEEN = Seen(1 << 14)
