# SPDX-License-Identifier: Apache-2.0
"""A look at what a raw image holds."""

from __future__ import annotations

import errno
import os

from virloom.drivers.qemu.process.resources import image_path
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg, OperationUnsupported, system_failure
from virloom.model.domain import Domain


def peekable(model: Domain, name: str) -> str:
    """The path of the image of a disk, named by its target or that path.

    Raises:
        InvalidArg: There is no such disk.
        OperationUnsupported: What is in it could only be had through QEMU.
        InternalError: It is a server's (libvirt's code for it).
    """
    for disk in model.devices.disks:
        path = image_path(disk)
        if name not in (disk.target.dev, path):
            continue
        if disk.type == "network" and disk.driver.type in (None, "raw"):
            raise InternalError(
                f"what QEMU reads by protocol {disk.source.protocol} is not peeked at",
                domain=ErrorDomain.STORAGE,
            )
        image_format = (disk.driver.type or "raw") if path is not None else "none"
        if image_format != "raw" or path is None:
            raise OperationUnsupported(
                f"peeking is only supported for disk with 'raw' format not '{image_format}'",
                domain=ErrorDomain.QEMU,
            )
        return path
    raise InvalidArg(f"disk '{name}' not found in domain", domain=ErrorDomain.QEMU)


def read_part(path: str, name: str, offset: int, size: int) -> bytes:
    """Bytes of an image.

    Args:
        name: What the caller calls it.

    Raises:
        SystemFailure: It cannot be read.
        InvalidArg: It is not as long.
    """
    doing = f"cannot read '{path}'"
    if size == 0:
        error = OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        raise system_failure(doing, error, domain=ErrorDomain.STORAGE)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            data = os.pread(fd, size, offset)
        finally:
            os.close(fd)
    except OSError as exc:
        raise system_failure(doing, exc, domain=ErrorDomain.STORAGE) from exc
    except OverflowError:
        data = b""  # no file is as long
    if len(data) < size:
        raise InvalidArg(
            f"'{name}' starting from {offset} has only {len(data)} bytes available",
            domain=ErrorDomain.QEMU,
        )
    return data
