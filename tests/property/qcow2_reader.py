# SPDX-License-Identifier: Apache-2.0
"""What a guest would read from a small qcow2 image, without QEMU (docs/interop/qcow2.txt)."""

from __future__ import annotations

import os
import struct
from pathlib import Path

_OFFSET = 0x00FF_FFFF_FFFF_FE00
_ZERO = 1


def content(path: str, snapshot: str | None = None) -> bytes:
    """All of an image, or what an internal snapshot of it has."""
    data = Path(path).read_bytes()
    assert data[:4] == b"QFI\xfb", path
    backing_at, backing_size, bits, size = struct.unpack_from(">QIIQ", data, 8)
    crypt, l1_size, l1_at, _, _, count, snapshots_at = struct.unpack_from(">IIQQIIQ", data, 32)
    assert crypt == 0
    if snapshot is not None:
        l1_at, l1_size = _tables(data, count, snapshots_at)[snapshot]
    below = b""
    if backing_size:
        name = data[backing_at : backing_at + backing_size].decode()
        full = os.path.join(os.path.dirname(path), name)
        below = content(full) if Path(full).read_bytes()[:4] == b"QFI\xfb" else _raw(full)
    cluster = 1 << bits
    return b"".join(
        _cluster(data, l1_at, l1_size, number, bits) or _part(below, number * cluster, cluster)
        for number in range(-(-size // cluster))
    )[:size]


def _raw(path: str) -> bytes:
    return Path(path).read_bytes()


def _part(below: bytes, start: int, length: int) -> bytes:
    return below[start : start + length].ljust(length, b"\0")


def _cluster(data: bytes, l1_at: int, l1_size: int, number: int, bits: int) -> bytes | None:
    """A cluster's content; None where the image does not have it."""
    entries = 1 << (bits - 3)
    if number // entries >= l1_size:
        return None
    table = struct.unpack_from(">Q", data, l1_at + 8 * (number // entries))[0] & _OFFSET
    if not table:
        return None
    entry = struct.unpack_from(">Q", data, table + 8 * (number % entries))[0]
    assert not entry & 1 << 62, "compressed"
    if entry & _ZERO:
        return bytes(1 << bits)
    place = entry & _OFFSET
    return data[place : place + (1 << bits)].ljust(1 << bits, b"\0") if place else None


def _tables(data: bytes, count: int, at: int) -> dict[str, tuple[int, int]]:
    """Where the table of each internal snapshot is, and how long."""
    found = {}
    for _ in range(count):
        l1_at, l1_size, id_size, name_size = struct.unpack_from(">QIHH", data, at)
        extra = struct.unpack_from(">I", data, at + 36)[0]
        name_at = at + 40 + extra + id_size
        found[data[name_at : name_at + name_size].decode()] = (l1_at, l1_size)
        at = -(-(name_at + name_size) // 8) * 8
    return found
