# SPDX-License-Identifier: Apache-2.0
"""A volume comes to be: under a name that marks it as unfinished, until it is whole.

The lock on an unfinished file tells whether anybody still works at it; a kill drops the lock, and
whoever starts or refreshes the pool next removes the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
import sys

from virloom.drivers.runtime.steps import reached
from virloom.drivers.storage import encryption
from virloom.drivers.storage.host import StorageHost
from virloom.drivers.storage.images import check_backing
from virloom.drivers.storage.long_work import LongWork
from virloom.drivers.storage.qemu_img import qemu_img
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    NoSupport,
    OperationInvalid,
    SystemFailure,
    VirloomError,
    system_failure,
)
from virloom.host.range_lock import lock_range
from virloom.model.storage import Volume
from virloom.model.storage.volume import Encryption, ImageFeatures

_DOMAIN = ErrorDomain.STORAGE
#: Names of volumes that are not finished.
UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.virloom-new\Z")
#: libvirt's mode of volumes that say none.
_MODE = 0o600
#: Bytes that are allocated at once: a file system that cannot writes them all.
_STEP = 256 << 20
#: ``FS_IOC_GETFLAGS``, ``FS_IOC_SETFLAGS`` and ``FS_NOCOW_FL`` of ``linux/fs.h``.
_GET_FLAGS, _SET_FLAGS, _NOCOW = 0x80086601, 0x40086602, 0x00800000
#: Formats that ``qemu-img`` does not make either.
_READ_ONLY = frozenset(("bochs", "cloop", "dmg", "fat", "vhd", "cow"))
#: The steps of making a volume, of both kinds of files; the last of a directory is its naming.
STEPS = ("volume-begun", "volume-filled", "volume-named", "volume-cleared")
#: The byte whose lock says that somebody works at a file; QEMU's are 100 to 300.
_LOCKED_BYTE = 1 << 40


def unfinished_name() -> str:
    """A name for a volume that is not finished."""
    return f".{os.urandom(8).hex()}.virloom-new"


class Unfinished:
    """The file of a volume that is being made; entering makes it, leaving removes what is left.

    Args:
        host: Where its programs run; the work that they run for is told where the file is.
    """

    def __init__(self, directory: str, host: StorageHost) -> None:
        self.host = host
        self.path = os.path.join(directory, unfinished_name())
        self.fd = -1

    def __enter__(self) -> Unfinished:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self.fd = os.open(self.path, flags, _MODE)
            _lock(self.fd)
        except OSError as exc:
            self.__exit__()
            raise system_failure(f"cannot create file '{self.path}'", exc, domain=_DOMAIN) from exc
        self.host.work.path = self.path
        reached("volume-begun")
        return self

    def __exit__(self, *_: object) -> None:
        if self.fd >= 0:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            reached("volume-cleared")
            os.close(self.fd)
            self.fd = -1

    def finish(self, path: str) -> None:
        """Gives the file its name, which nothing may have yet.

        Raises:
            OperationInvalid: There is something of that name.
            SystemFailure: It cannot be named so.
        """
        reached("volume-filled")
        try:
            os.fsync(self.fd)
            os.link(self.path, path)
            reached("volume-named")
        except FileExistsError as exc:
            raise taken(path) from exc
        except OSError as exc:
            raise system_failure(f"cannot create file '{path}'", exc, domain=_DOMAIN) from exc


def taken(path: str) -> OperationInvalid:
    """The error of a file at *path* that the pool does not know as a volume."""
    return OperationInvalid(
        f"there is a file '{path}' that is no volume of the pool yet",
        domain=_DOMAIN, remedy="refresh the pool to see it, or take another name",
    )  # fmt: skip


def _lock(descriptor: int) -> None:
    """Locks a file for as long as it is open, beside QEMU's own locks.

    flock(2) would not do: NFS makes it a lock of all bytes, which keeps ``qemu-img`` out.

    Raises:
        OSError: Somebody else has the lock.
    """
    lock_range(descriptor, _LOCKED_BYTE, 1)


def remove_unfinished(directory: str) -> None:
    """Removes what nobody works at any more.

    Raises:
        SystemFailure: The directory cannot be read.
    """
    try:
        names = [name for name in os.listdir(directory) if UNFINISHED.match(name)]
    except OSError as exc:
        raise system_failure(
            f"cannot open path '{directory}'", exc, domain=ErrorDomain.NONE
        ) from exc
    for name in names:
        path = os.path.join(directory, name)
        with contextlib.suppress(OSError):  # another removes it, works at it, or does not let us
            _remove_unlocked(path)


def _remove_unlocked(path: str) -> None:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(path, os.O_RDWR | flags)
    except IsADirectoryError:
        fd = os.open(path, os.O_RDONLY | flags)
    try:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path)
        else:
            _lock(fd)
            os.unlink(path)
    finally:
        os.close(fd)


def check_makeable(model: Volume, *, metadata: bool, copied: bool = False) -> None:
    """Refuses what cannot be made here.

    Args:
        copied: It gets the content of another one: so does a CD come to be.

    Raises:
        ConfigUnsupported: Its format, or something that its format has not.
        NoSupport: It is raw, and laid over another (libvirt's code for it).
        InternalError, InvalidArg: It cannot be encrypted so.
    """
    kind = model.target.format.type
    if kind not in ("raw", "qcow2", "dir") and not (copied and kind == "iso"):
        raise _unmade(kind)
    encryption.check_makeable(model)
    if metadata and kind != "qcow2":
        raise _unsupported("metadata preallocation is only there for qcow2")
    if kind == "qcow2":
        _check_qcow2(model, metadata=metadata)
    elif model.backing_store is not None:
        raise NoSupport(f"backing storage not supported for {kind} volumes", domain=_DOMAIN)


def _check_qcow2(model: Volume, *, metadata: bool) -> None:
    target, backing = model.target, model.backing_store
    compat, features = target.compat or "0.10", target.features or ImageFeatures()
    if compat not in ("0.10", "1.1"):
        # libvirt's code, which it gets from qemu-img
        raise InternalError(f"unknown version '{compat}' of qcow2", domain=ErrorDomain.NONE)
    for name, asked in (
        ("lazy_refcounts", features.lazy_refcounts), ("extended_l2", features.extended_l2),
    ):  # fmt: skip
        if asked and compat == "0.10":
            raise _unsupported(f"qcow2 of version 0.10 has no {name}")
    if metadata and backing is not None and backing.path:
        raise _unsupported("metadata preallocation conflicts with a backing store")


def _unmade(kind: str | None) -> VirloomError:
    """The error of a format that is not made; by libvirt's code where that does not make it."""
    said = f"volumes of format '{kind}' are not made here"
    if kind == "ploop":
        return InternalError(said, domain=_DOMAIN)
    if kind in _READ_ONLY:
        return InternalError(said, domain=ErrorDomain.NONE)
    return _unsupported(said)


def _unsupported(what: str) -> ConfigUnsupported:
    return ConfigUnsupported(what, domain=_DOMAIN)


def make_raw(model: Volume, file: Unfinished) -> None:
    """Gives the file its length and its blocks; by a thread.

    Raises:
        SystemFailure: The file system has no room for it.
    """
    capacity, allocation = model.capacity.value or 0, model.allocation.value or 0
    if model.target.nocow:
        _write_in_place(model, file)
    try:
        os.ftruncate(file.fd, capacity)
        if allocation:
            room = os.fstatvfs(file.fd)
            if allocation > room.f_frsize * room.f_bfree:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            allocate(file.fd, allocation, file.host.work)
    except OSError as exc:
        raise system_failure(
            f"cannot allocate {max(allocation, capacity)} bytes in file '{model.target.path}'",
            exc, domain=_DOMAIN,
        ) from exc  # fmt: skip


def allocate(descriptor: int, size: int, work: LongWork) -> None:
    """Gives the beginning of a file its blocks, in steps between which *work* can be given up.

    Raises:
        OSError: There is no room.
        OperationAborted: It was given up.
    """
    for position in range(0, size, _STEP):
        work.require_going()
        os.posix_fallocate(descriptor, position, min(_STEP, size - position))


def _write_in_place(model: Volume, file: Unfinished) -> None:
    """Turns copying on write off, which only btrfs does for single files."""
    try:
        flags = bytearray(fcntl.ioctl(file.fd, _GET_FLAGS, bytes(8)))
        word = int.from_bytes(flags[:4], sys.byteorder) | _NOCOW
        fcntl.ioctl(file.fd, _SET_FLAGS, word.to_bytes(8, sys.byteorder))
    except OSError as exc:
        error = OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))  # libvirt's, for all of them
        raise system_failure(
            f"copying on write of '{model.target.path}' cannot be turned off", error,
            domain=ErrorDomain.NONE,
        ) from exc  # fmt: skip


def qcow2_options(model: Volume, *, metadata: bool) -> str:
    """The word after ``-o``; nothing that a document says can end an option.

    Without a version it is libvirt's, 0.10, which every QEMU reads.
    """
    target, words = model.target, []
    words.append("compat=v3" if target.compat == "1.1" else "compat=v2")
    if metadata:
        words.append("preallocation=metadata")
    if target.nocow:
        words.append("nocow=on")
    features = target.features or ImageFeatures()
    if features.lazy_refcounts:
        words.append("lazy_refcounts=on")
    if features.extended_l2:
        words.append("extended_l2=on")
    if target.cluster_size.value:
        words.append(f"cluster_size={target.cluster_size.value}")
    if target.encryption is not None:
        words.append("encrypt.format=luks")
        words += encryption.options(target.encryption, prefix="encrypt.")
    return ",".join(words)


async def make_image(model: Volume, file: Unfinished, *, metadata: bool, key: bytes | None) -> None:
    """Has ``qemu-img`` write the header and the tables of a qcow2 image or an encrypted raw one.

    A backing image is named, never opened by it.

    Args:
        key: The passphrase of an encrypted volume.

    Raises:
        SystemFailure: Its backing image is not there.
        VirloomError: Its backing image is not what it is said to be.
        InternalError: ``qemu-img`` would not, with its words.
    """
    target = model.target
    if target.format.type == "qcow2":
        words = ["-f", "qcow2", "-o", qcow2_options(model, metadata=metadata)]
    else:
        options = encryption.options(target.encryption or Encryption())
        words = ["-f", "luks", "-o", ",".join(options)]
    backing, size = model.backing_store, f"{-(-(model.capacity.value or 0) // 1024)}K"
    if backing is not None and backing.path:
        form = backing.format.type or "raw"
        below = await asyncio.to_thread(check_backing, target.path or "", backing.path, form)
        size = size if model.capacity.value else str(below)
        words += ["-u", "-F", form, "-b", backing.path]
    await qemu_img(
        file.host, "create", [*words, file.path, size],
        doing=f"cannot make volume '{model.name}'",
        keys={} if key is None else {encryption.KEY: key},
    )  # fmt: skip


def give_away(model: Volume, descriptor: int) -> None:
    """Sets the mode and the owner that the document asks for.

    Raises:
        SystemFailure: We may not.
    """
    wanted = model.target.permissions
    try:
        os.fchmod(descriptor, int(wanted.mode, 8) if wanted.mode is not None else _MODE)
        if wanted.owner is not None or wanted.group is not None:
            os.fchown(descriptor, int(wanted.owner or -1), int(wanted.group or -1))
    except (OSError, ValueError, OverflowError) as exc:
        raise _refused(model, exc) from exc


def _refused(model: Volume, reason: Exception) -> SystemFailure:
    error = reason if isinstance(reason, OSError) else OSError(errno.EINVAL, str(reason))
    return system_failure(
        f"cannot set the permissions of '{model.target.path}'", error, domain=_DOMAIN
    )
