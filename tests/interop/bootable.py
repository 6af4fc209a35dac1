# SPDX-License-Identifier: Apache-2.0
"""The smallest disks that a PC boots: they say a word on the serial port, and halt.

The code is of the 8086; ISO 9660 and the El Torito specification have the layout of the CD.
"""

from __future__ import annotations

import struct

_SECTOR, _CD_SECTOR = 512, 2048
#: Writes the text behind it to the port 0x3f8: clear DS, point SI at the text, then byte by byte.
_CODE = bytes.fromhex("31c0 8ed8 fc be167c ac 84c0 7406 baf803 ee ebf5 f4 ebfd")


def boot_sector(word: str) -> bytes:
    """A first sector that says *word*."""
    text = word.encode() + b"\r\n\0"
    return (_CODE + text).ljust(_SECTOR - 2, b"\0") + b"\x55\xaa"


def disk(word: str, size: int = 1 << 20) -> bytes:
    """A disk of that many bytes."""
    return boot_sector(word).ljust(size, b"\0")


def cd(word: str) -> bytes:
    """A CD: its descriptors, its boot catalogue, and what that boots."""
    primary = b"\x01CD001\x01".ljust(_CD_SECTOR, b"\0")
    record = b"\0CD001\x01" + b"EL TORITO SPECIFICATION".ljust(32, b"\0") + bytes(32)
    record = (record + struct.pack("<I", 19)).ljust(_CD_SECTOR, b"\0")
    end = b"\xffCD001\x01".ljust(_CD_SECTOR, b"\0")
    check = (0x10000 - (0x0001 + 0xAA55)) & 0xFFFF
    catalogue = struct.pack("<BBH24sHBB", 1, 0, 0, b"", check, 0x55, 0xAA)
    catalogue += struct.pack("<BBHBBHI", 0x88, 0, 0, 0, 0, 4, 20)
    body = primary + record + end + catalogue.ljust(_CD_SECTOR, b"\0")
    return bytes(16 * _CD_SECTOR) + body + boot_sector(word).ljust(64 * _CD_SECTOR, b"\0")
