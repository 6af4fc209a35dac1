# SPDX-License-Identifier: Apache-2.0
"""What the screen of every domain shows: a picture that is drawn here, as PNG."""

from __future__ import annotations

import struct
import zlib
from functools import cache

_WIDTH, _HEIGHT = 640, 480
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of PNG: length, kind, data, checksum (PNG specification, section 5.3)."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@cache
def picture() -> bytes:
    """Rings in shades of grey."""
    header = struct.pack(">IIBBBBB", _WIDTH, _HEIGHT, 8, 0, 0, 0, 0)
    middle = _WIDTH // 2, _HEIGHT // 2
    rows = []
    for y in range(_HEIGHT):
        across = (y - middle[1]) ** 2
        shades = bytes(((x - middle[0]) ** 2 + across) // 300 % 256 for x in range(_WIDTH))
        rows.append(b"\0" + shades)
    data = zlib.compress(b"".join(rows))
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
