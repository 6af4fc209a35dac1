# SPDX-License-Identifier: Apache-2.0
"""Whether a file system copies what is written anew (``<features><cow state=…/>``): btrfs does."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from virloom.enums.error import ErrorDomain
from virloom.errors import system_failure

#: ``FS_IOC_GETFLAGS``, ``FS_IOC_SETFLAGS`` and ``FS_NOCOW_FL`` of ``linux/fs.h`` on 64-bit hosts.
_GET, _SET, _NOCOW = 0x80086601, 0x40086602, 0x00800000
_BTRFS = "btrfs"


def set_copying(path: str, on: bool) -> None:
    """Sets it for a directory and what will be made there; by a thread.

    Raises:
        SystemFailure: Its file system is another (libvirt's code for it), or would not.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if _file_system(descriptor) != _BTRFS:
                raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
            flags = struct.unpack("i", fcntl.ioctl(descriptor, _GET, bytes(4)))[0]
            wanted = flags & ~_NOCOW if on else flags | _NOCOW
            fcntl.ioctl(descriptor, _SET, struct.pack("i", wanted))
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise system_failure(
            f"unable to control the copying of what is written to '{path}'", exc,
            domain=ErrorDomain.NONE,
        ) from exc  # fmt: skip


def _file_system(descriptor: int) -> str:
    """Its type, by the mount that a descriptor is on (``fdinfo`` and ``mountinfo`` of proc(5))."""
    with open(f"/proc/self/fdinfo/{descriptor}") as file:
        mount = next(line.split()[1] for line in file if line.startswith("mnt_id:"))
    with open("/proc/self/mountinfo", errors="surrogateescape") as file:
        for line in file:
            words = line.split()
            if words[0] == mount:
                return words[words.index("-") + 1]
    return ""
