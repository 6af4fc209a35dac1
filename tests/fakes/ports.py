# SPDX-License-Identifier: Apache-2.0
"""A guest of one sector, which does what it is told over its serial port.

A Linux guest boots in seconds; this one in a few tenths of one, on any board with a BIOS, an ISA
serial port and a disk. It says ``R`` when it is there. What it is told is four bytes: the number of
an I/O port and what it writes there, little-endian; a value below 256 is written as a byte. Port
``0xffff`` has the BIOS read (``0x42``) or write (``0x43``) the 512 bytes at :data:`FAR` of the
first disk instead. It answers each with ``.``, or not, when that put it to sleep.
"""

from __future__ import annotations

import struct

#: Byte of the disk that it reads and writes: the second cluster of a qcow2 image.
FAR = 64 << 10

READ, WRITE = (0xFFFF, 0x42), (0xFFFF, 0x43)
"""Of the disk."""

YEAR_NEXT = ((0x70, 0x09), (0x71, 0x31))
"""The clock is set to another year (MC146818, register 9)."""

WATCHDOG = (0x443, 0x0F)
"""The ib700 is to bark in no seconds."""

SLEEP, HIBERNATE, POWER_OFF = (0x604, 0x2400), (0x604, 0x2800), (0x604, 0x2000)
"""The ACPI PM1 control register, where SeaBIOS places it, with QEMU's sleep types."""

PANICKED, CRASH_LOADED = (0x505, 1), (0x505, 2)
"""Of pvpanic."""

RESET = (0x64, 0xFE)
"""The keyboard controller pulls the reset line."""

# Loaded at 0x7c00, by the BIOS, in real mode.
_PROGRAM = bytes.fromhex(
    "31c0 8ed8 8ec0 8ed0"  # 00  ds = es = ss = 0
    "bc007c"  # 08  the stack is below
    "b052"  # 0b  al = 'R'
    "baf803 ee"  # 0d  say al
    "e83100 88c3"  # 11  bl = hear
    "e82c00 88c7"  # 16  bh = hear
    "e82700 88c1"  # 1b  cl = hear
    "e82200 88c4 88c8"  # 20  ah = hear, al = cl
    "89da 42 740d"  # 27  port 0xffff: go to 39
    "4a 84e4 7403"  # 2c  a byte only: go to 34
    "ef eb01"  # 31  out ax, go to 35
    "ee"  # 34  out al
    "b02e ebd4"  # 35  al = '.', go to 0d
    "88c4 b280 be527c"  # 39  ah = al, dl = first disk, si = the packet
    "cd13 ebf1 90"  # 40  the BIOS's extended read or write; go to 35
    "bafd03 ec a801 74fb"  # 45  hear: until a byte is there
    "baf803 ec c3"  # 4d  al = the byte
)

#: Size, none, sectors, offset, segment, first sector (Enhanced Disk Drive Specification 3.0).
_PACKET = struct.pack("<BBHHHQ", 16, 0, 1, 0x8000, 0, FAR // 512)


def boot_sector() -> bytes:
    """The program, as the first 512 bytes of a disk."""
    return (_PROGRAM + _PACKET).ljust(510, b"\0") + b"\x55\xaa"


def told(*lines: tuple[int, int]) -> bytes:
    """The bytes that have it write to these ports."""
    return b"".join(struct.pack("<HH", *line) for line in lines)
