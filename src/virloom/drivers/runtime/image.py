# SPDX-License-Identifier: Apache-2.0
"""What a disk image says about itself.

Only images that a document declares as qcow2 are ever looked into. The content of a raw image is
the guest's: what it looks like must never decide how it is opened.

Formats: QEMU's ``docs/interop/qcow2.txt``.
"""

from __future__ import annotations

import os
import stat
import struct
from typing import NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, StorageProbeFailed, system_failure

#: How much of an image is read: its first cluster, at qcow2's usual cluster size.
HEAD_BYTES = 65536

QCOW2_MAGIC = b"QFI\xfb"
_QCOW2_V2_HEADER = 72
_QCOW2_V3_MINIMUM = 104
_MAX_BACKING_NAME = 1023
_EXTENSION_END = 0
_EXTENSION_BACKING_FORMAT = 0xE2792ACA
#: Ways of encryption in a qcow2 header.
_PLAIN, _LUKS = 0, 2
_INCOMPATIBLE_DATA_FILE = 1 << 2

#: Beginnings of image formats that QEMU would recognise (magic, offset).
_KNOWN_MAGIC = (
    (QCOW2_MAGIC, 0),
    (b"QED\x00", 0),
    (b"KDMV", 0),
    (b"COWD", 0),
    (b"# Disk DescriptorFile", 0),
    (b"conectix", 0),
    (b"vhdxfile", 0),
    (b"LUKS\xba\xbe", 0),
    (b"\x7f\x10\xda\xbe", 64),
    (b"WithoutFreeSpace", 0),
    (b"WithouFreSpacExt", 0),
)


class ImageHead(NamedTuple):
    """The beginning of an image and what the file system says of it.

    Attributes:
        identity: Device and inode, the same for every path to one file.
        block: Whether it is a block device.
        data: Its first ``HEAD_BYTES`` bytes, or all of a shorter one.
    """

    identity: tuple[int, int]
    block: bool
    data: bytes


class Backing(NamedTuple):
    """A reference to a backing image as the image holds it; *format* is None if unsaid."""

    reference: str
    format: str | None


def read_head(path: str) -> ImageHead:
    """Reads the beginning of the image at *path*.

    Raises:
        SystemFailure: It cannot be opened or read; ``int1`` is errno.
        StorageProbeFailed: It is neither a regular file nor a block device.
    """
    doing = f"Cannot access storage file '{path}'"
    try:
        # Without O_NONBLOCK a named pipe would hold us until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise system_failure(doing, error, domain=ErrorDomain.STORAGE) from error
    try:
        return head_of(descriptor, path)
    finally:
        os.close(descriptor)


def head_of(descriptor: int, path: str) -> ImageHead:
    """Reads the beginning of the image that is open as *descriptor*; *path* is for messages.

    Raises:
        SystemFailure: It cannot be read; ``int1`` is errno.
        StorageProbeFailed: It is neither a regular file nor a block device.
    """
    try:
        status = os.fstat(descriptor)
        block = stat.S_ISBLK(status.st_mode)
        if not block and not stat.S_ISREG(status.st_mode):
            raise StorageProbeFailed(
                f"'{path}' is neither a regular file nor a block device and cannot be a disk image"
            )
        data = os.pread(descriptor, HEAD_BYTES, 0)
    except OSError as error:
        raise system_failure(f"Cannot access storage file '{path}'", error) from error
    return ImageHead((status.st_dev, status.st_ino), block, data)


def looks_formatted(head: ImageHead) -> bool:
    """Whether the content begins like an image format other than raw.

    Good for a refusal only, never for choosing a format.
    """
    return any(head.data.startswith(magic, offset) for magic, offset in _KNOWN_MAGIC)


def qcow2_backing(head: ImageHead, path: str) -> Backing | None:
    """The backing image that the qcow2 image at *path* names; None when it stands alone.

    Raises:
        StorageProbeFailed: This is no sound qcow2 image.
        ConfigUnsupported: It keeps its data in another file, or is encrypted by AES-CBC (method 1).
    """
    data = head.data
    if len(data) < _QCOW2_V2_HEADER or data[:4] != QCOW2_MAGIC:
        raise StorageProbeFailed(
            f"'{path}' is declared as qcow2 but does not begin like a qcow2 image"
        )
    version, offset, size = struct.unpack_from(">IQI", data, 4)
    if version not in (2, 3):
        raise ConfigUnsupported(f"qcow2 image '{path}' has unknown version {version}")
    _refuse_foreign_content(data, version, path)
    if offset == 0:
        return None
    if not 0 < size <= _MAX_BACKING_NAME or offset + size > len(data):
        raise StorageProbeFailed(
            f"qcow2 image '{path}' has a damaged header: backing name of {size} bytes at {offset}"
        )
    reference = data[offset : offset + size].decode("utf-8", "surrogateescape")
    if "\0" in reference:
        raise StorageProbeFailed(f"qcow2 image '{path}' has a NUL byte in its backing name")
    return Backing(reference, _backing_format(data, version, offset, path))


def _refuse_foreign_content(data: bytes, version: int, path: str) -> None:
    if struct.unpack_from(">I", data, 32)[0] not in (_PLAIN, _LUKS):
        raise ConfigUnsupported(
            f"qcow2 image '{path}' is encrypted in the old way, which QEMU no longer does"
        )
    if version == 3:
        if len(data) < _QCOW2_V3_MINIMUM:
            raise StorageProbeFailed(f"qcow2 image '{path}' ends within its header")
        if struct.unpack_from(">Q", data, 72)[0] & _INCOMPATIBLE_DATA_FILE:
            raise ConfigUnsupported(
                f"qcow2 image '{path}' keeps its data in an external file",
                remedy="convert it with qemu-img convert",
            )


def _backing_format(data: bytes, version: int, end: int, path: str) -> str | None:
    """The backing format among the header extensions, which end at or before *end*."""
    position = _QCOW2_V2_HEADER
    if version == 3:
        position = struct.unpack_from(">I", data, 100)[0]
    while position + 8 <= min(end, len(data)):
        kind, length = struct.unpack_from(">II", data, position)
        if kind == _EXTENSION_END:
            return None
        body = position + 8
        if body + length > len(data):
            raise StorageProbeFailed(
                f"qcow2 image '{path}' has a damaged header extension of {length} bytes"
            )
        if kind == _EXTENSION_BACKING_FORMAT:
            return data[body : body + length].decode("ascii", "replace")
        position = body + (length + 7) // 8 * 8
    return None
