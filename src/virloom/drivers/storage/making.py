# SPDX-License-Identifier: Apache-2.0
"""A volume comes to be: under a name that marks it as unfinished, until it is whole.

The lock on an unfinished file tells whether anybody still works at it; a kill drops the lock, and
whoever starts or refreshes the pool next removes the file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re

from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ConfigUnsupported,
    InternalError,
    NoSupport,
    StorageVolExist,
    SystemFailure,
    XmlError,
    system_failure,
)
from virloom.host.process import run
from virloom.model.storage import Volume
from virloom.model.storage.volume import ImageFeatures

_DOMAIN = ErrorDomain.STORAGE
#: Names of volumes that are not finished.
UNFINISHED = re.compile(r"\.[0-9a-f]{16}\.virloom-new\Z")
#: libvirt's mode of volumes that say none.
_MODE = 0o600
#: off_t ends there.
_MOST = (1 << 63) - 1
#: Seconds: writing the tables of a large image takes long on a slow disk.
_PATIENCE = 3600.0


class Unfinished:
    """The file of a volume that is being made; entering makes it, leaving removes what is left."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, f".{os.urandom(8).hex()}.virloom-new")
        self.fd = -1

    def __enter__(self) -> Unfinished:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self.fd = os.open(self.path, flags, _MODE)
            fcntl.flock(self.fd, fcntl.LOCK_EX)
        except OSError as exc:
            self.__exit__()
            raise system_failure(f"cannot create file '{self.path}'", exc, domain=_DOMAIN) from exc
        return self

    def __exit__(self, *_: object) -> None:
        if self.fd >= 0:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            os.close(self.fd)
            self.fd = -1

    def finish(self, path: str) -> None:
        """Gives the file its name, which nothing may have yet.

        Raises:
            StorageVolExist: There is something of that name.
            SystemFailure: It cannot be named so.
        """
        try:
            os.fsync(self.fd)
            os.link(self.path, path)
        except FileExistsError as exc:
            raise StorageVolExist(f"'{path}'", domain=_DOMAIN) from exc
        except OSError as exc:
            raise system_failure(f"cannot create file '{path}'", exc, domain=_DOMAIN) from exc


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
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
            finally:
                os.close(fd)


def check_makeable(model: Volume, *, metadata: bool) -> None:
    """Refuses what cannot be made here.

    Raises:
        ConfigUnsupported: Its format, or something that its format has not.
        NoSupport: It is raw, and laid over another (libvirt's code for it).
        SystemFailure: It is larger than files can be.
    """
    kind, target = model.target.format.type, model.target
    if kind not in ("raw", "qcow2"):
        raise ConfigUnsupported(f"volumes of format '{kind}' are not made here", domain=_DOMAIN)
    if target.encryption is not None:
        raise ConfigUnsupported("encrypted volumes are not made here", domain=_DOMAIN)
    if kind == "raw" and metadata:
        raise ConfigUnsupported(
            "metadata preallocation is not supported for raw volumes", domain=_DOMAIN
        )
    if kind == "raw" and model.backing_store is not None:
        raise NoSupport("backing storage not supported for raw volumes", domain=_DOMAIN)
    if max(model.capacity.value or 0, model.allocation.value or 0) > _MOST:
        _raise_too_large(model)


def _raise_too_large(model: Volume) -> None:
    error = OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    raise system_failure(
        f"cannot make volume '{model.name}' of {model.capacity.value} bytes", error, domain=_DOMAIN
    )


def make_raw(model: Volume, file: Unfinished) -> None:
    """Gives the file its length and its blocks; by a thread.

    Raises:
        SystemFailure: The file system has no room for it.
    """
    capacity, allocation = model.capacity.value or 0, model.allocation.value or 0
    try:
        os.ftruncate(file.fd, capacity)
        if allocation:
            room = os.fstatvfs(file.fd)
            if allocation > room.f_frsize * room.f_bfree:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.posix_fallocate(file.fd, 0, allocation)
    except OSError as exc:
        raise system_failure(
            f"cannot allocate {max(allocation, capacity)} bytes in file '{model.target.path}'",
            exc, domain=_DOMAIN,
        ) from exc  # fmt: skip


def qcow2_options(model: Volume, *, metadata: bool) -> str:
    """The word after ``-o``; nothing that a document says can end an option."""
    target, options = model.target, []
    compat = target.compat or "1.1"
    if compat not in ("0.10", "1.1"):
        raise XmlError(f"unknown version '{compat}' of qcow2", domain=_DOMAIN)
    options.append(f"compat={'v2' if compat == '0.10' else 'v3'}")
    if metadata:
        options.append("preallocation=metadata")
    features = target.features or ImageFeatures()
    if features.lazy_refcounts:
        options.append("lazy_refcounts=on")
    if features.extended_l2:
        options.append("extended_l2=on")
    if target.cluster_size.value:
        options.append(f"cluster_size={target.cluster_size.value}")
    return ",".join(options)


async def make_qcow2(model: Volume, file: Unfinished, *, metadata: bool) -> None:
    """Has ``qemu-img`` write the tables; a backing image is named, never opened.

    Raises:
        XmlError: Its version is unknown.
        SystemFailure: Its backing image is not there.
        InternalError: ``qemu-img`` would not, with its words.
    """
    words = ["qemu-img", "create", "-q", "-f", "qcow2"]
    words += ["-o", qcow2_options(model, metadata=metadata)]
    backing = model.backing_store
    if backing is not None and backing.path:
        _check_backing(backing.path, model)
        words += ["-u", "-F", backing.format.type or "raw", "-b", backing.path]
    done = await run([*words, file.path, str(model.capacity.value)], timeout=_PATIENCE)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise InternalError(f"cannot make volume '{model.name}': {said}", domain=_DOMAIN)


def _check_backing(path: str, model: Volume) -> None:
    directory = os.path.dirname(model.target.path or "")
    try:
        os.stat(os.path.join(directory, path))
    except OSError as exc:
        raise system_failure(
            f"inaccessible backing store volume {path}", exc, domain=_DOMAIN
        ) from exc


def give_away(model: Volume, file: Unfinished) -> None:
    """Sets the mode and the owner that the document asks for.

    Raises:
        SystemFailure: We may not.
    """
    wanted = model.target.permissions
    try:
        os.fchmod(file.fd, int(wanted.mode, 8) if wanted.mode is not None else _MODE)
        if wanted.owner is not None or wanted.group is not None:
            os.fchown(file.fd, int(wanted.owner or -1), int(wanted.group or -1))
    except (OSError, ValueError, OverflowError) as exc:
        raise _refused(model, exc) from exc


def _refused(model: Volume, reason: Exception) -> SystemFailure:
    error = reason if isinstance(reason, OSError) else OSError(errno.EINVAL, str(reason))
    return system_failure(
        f"cannot set the permissions of '{model.target.path}'", error, domain=_DOMAIN
    )
