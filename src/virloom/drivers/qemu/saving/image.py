# SPDX-License-Identifier: Apache-2.0
"""The file of a saved guest, in libvirt's format.

::

    16 bytes   magic: complete, or still being written
    5 x u32    version, length of what follows the header, whether the guest ran, how the
               stream is packed, offset of the cookie (0: none)
    14 x u32   unused
    document, NUL, cookie, NUL, zeros up to the length
    QEMU's migration stream

Numbers have the byte order of the host that wrote them. The zeros are room for another document;
ours end on a page, so that the stream may be written past the host's cache.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed, system_failure

COMPLETE = b"LibvirtQemudSave"
PARTIAL = b"LibvirtQemudPart"

_FIELDS = "16s5I14I"
_SIZE = struct.calcsize("=" + _FIELDS)
_VERSION = 2
_ROOM = 1 << 16
_PAGE = 4096
#: More than any document with its room has.
_LONGEST = 1 << 26


class SavedImage(NamedTuple):
    """What stands before the stream.

    Attributes:
        document: Of the guest, with secrets.
        cookie: What else a restoring driver may want to know; empty for nothing.
        was_running: Whether the guest is to run again.
        packing: The number of the stream's format (:mod:`.packing`).
        length: Bytes of document, cookie and room.
    """

    document: str
    cookie: str
    was_running: bool
    packing: int = 0
    length: int = 0

    @property
    def stream(self) -> int:
        """Where QEMU's stream begins."""
        return _SIZE + self.length

    def with_room(self) -> SavedImage:
        """The same with a length that leaves room for other documents."""
        end = _SIZE + len(self._texts()) + _ROOM
        return self._replace(length=-(-end // _PAGE) * _PAGE - _SIZE)

    def encode(self, magic: bytes = COMPLETE) -> bytes:
        """All that stands before the stream.

        Raises:
            OperationFailed: The document needs more room than there is.
        """
        texts = self._texts()
        if len(texts) > self.length:
            raise OperationFailed(
                "new xml too large to fit in file",
                domain=ErrorDomain.QEMU,
                remedy="restore the guest with the document instead of changing the file",
            )
        offset = len(self.document.encode()) + 1 if self.cookie else 0
        numbers = (_VERSION, self.length, int(self.was_running), self.packing, offset)
        return struct.pack("=" + _FIELDS, magic, *numbers, *([0] * 14)) + texts.ljust(
            self.length, b"\0"
        )

    def _texts(self) -> bytes:
        cookie = self.cookie.encode() + b"\0" if self.cookie else b""
        return self.document.encode() + b"\0" + cookie


def read_image(fd: int) -> SavedImage:
    """What stands before the stream of an open file, whose position is then the stream's.

    Raises:
        OperationFailed: It is no such file, or not a complete one.
        SystemFailure: It cannot be read.
    """
    try:
        head = _read(fd, _SIZE)
        if len(head) != _SIZE:
            raise _broken("failed to read qemu header")
        magic, *numbers = struct.unpack("=" + _FIELDS, head)
        if magic == PARTIAL:
            raise _broken("save image is incomplete")
        if magic != COMPLETE:
            raise _broken("image magic is incorrect")
        if numbers[0] > _VERSION:  # another host's byte order
            magic, *numbers = struct.unpack(_swapped(), head)
        if numbers[0] > _VERSION:
            raise _broken(f"image version is not supported ({numbers[0]} > {_VERSION})")
        return _decode(fd, *numbers[1:5])
    except OSError as exc:
        raise system_failure("cannot read the saved image", exc, domain=ErrorDomain.QEMU) from exc


def _decode(fd: int, length: int, was_running: int, packing: int, cookie: int) -> SavedImage:
    if not 0 < length <= _LONGEST:
        raise _broken(f"invalid header data length: {length}")
    data = _read(fd, length)
    if len(data) != length:
        raise _broken("failed to read domain XML")
    if cookie >= length:
        raise _broken(f"invalid cookie offset: {cookie}")
    texts = [data.partition(b"\0")[0], data[cookie:].partition(b"\0")[0] if cookie else b""]
    try:
        document, further = (text.decode() for text in texts)
    except UnicodeDecodeError as exc:
        raise _broken("its document is not UTF-8") from exc
    return SavedImage(document, further, bool(was_running), packing, length)


def is_partial(fd: int) -> bool:
    """Whether an open file is one whose writing was interrupted."""
    return os.pread(fd, len(PARTIAL), 0) == PARTIAL


def _read(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = os.read(fd, size - len(data))
        if not more:
            break
        data += more
    return data


def _swapped() -> str:
    return (">" if sys.byteorder == "little" else "<") + _FIELDS


def _broken(what: str) -> OperationFailed:
    return OperationFailed(what, domain=ErrorDomain.QEMU)
