# SPDX-License-Identifier: Apache-2.0
"""The partitions of a disk and what is free between them, as ``parted --machine`` tells them.

Formats: parted(8); the entries of a DOS table are those of the UEFI specification, 5.2.1.
All places are in bytes, ends are exclusive.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError

SECTOR = 512
#: parted's own names of the tables that libvirt calls otherwise.
_LABELS = {"dos": "msdos"}
#: ``OSType`` of extended partitions.
_EXTENDED = (0x05, 0x0F, 0x85)
#: Partitions of other tables that hold others: the volume header of IRIX.
_HEADER = {"dvh": 9}
#: Numbers of primary partitions in a DOS table; logical ones follow.
_PRIMARY = range(1, 5)


def parted_label(form: str) -> str:
    """parted's name of a table of libvirt's format *form*."""
    return _LABELS.get(form, form)


class Partition(NamedTuple):
    """A partition."""

    number: int
    start: int
    end: int


class Extent(NamedTuple):
    """What is free, and whether that is in the extended partition."""

    start: int
    end: int
    logical: bool = False


class Table(NamedTuple):
    """A partition table.

    Attributes:
        label: libvirt's name of its format.
        cylinder: Bytes of a cylinder, by which DOS tables are divided.
        extended: The number of the extended partition; 0 where there is none.
    """

    label: str
    cylinder: int
    partitions: tuple[Partition, ...]
    free: tuple[Extent, ...]
    extended: int = 0

    @property
    def data(self) -> Iterable[Partition]:
        """The partitions that can hold anything."""
        return (each for each in self.partitions if each.number != self.extended)

    @property
    def logical(self) -> Iterable[Partition]:
        """The partitions within the extended one."""
        return (each for each in self.partitions if self.label == "dos" and each.number > 4)

    def next_number(self, *, logical: bool) -> int:
        """The number that parted gives to the next partition.

        Raises:
            InternalError: There is none left (libvirt's code for it).
        """
        taken = {each.number for each in self.partitions}
        if logical:
            return max([_PRIMARY[-1], *taken]) + 1
        last = _PRIMARY[-1] if self.label == "dos" else 128
        for number in range(1, last + 1):
            if number not in taken:
                return number
        raise InternalError("no partition is available", domain=ErrorDomain.STORAGE)

    @property
    def next_is_logical(self) -> bool:
        """Whether the next partition goes into the extended one.

        Raises:
            InternalError: There is no room for it in the table, and no extended partition.
        """
        if self.label != "dos":
            return False
        primary = [each for each in self.partitions if each.number in _PRIMARY]
        if len(primary) < len(_PRIMARY):
            return False
        if not self.extended:
            raise InternalError(
                "no extended partition found and no primary partition available",
                domain=ErrorDomain.STORAGE,
            )
        return True

    def place(self, size: int, *, logical: bool) -> tuple[int, int]:
        """Where a partition of *size* bytes goes: the smallest free extent that has room, from its
        beginning; in a DOS table up to the end of a cylinder.

        Raises:
            InternalError: There is none (libvirt's code for it).
        """
        fitting = [
            (free.end - free.start, free.start, needed)
            for free in self.free
            if free.logical == logical
            and free.end - free.start - (SECTOR if logical else 0)
            > (needed := self._needed(size, free.start))
        ]
        if not fitting:
            raise InternalError("no large enough free extent", domain=ErrorDomain.STORAGE)
        _, start, needed = min(fitting)
        if self.label != "dos":
            return start, start + size
        start += SECTOR if logical else 0  # its own table
        end = start + needed
        return start, end - end % self.cylinder

    def _needed(self, size: int, start: int) -> int:
        if self.label != "dos":
            return size
        rest = self.cylinder - size % self.cylinder
        return size + rest + (self.cylinder if start % self.cylinder > rest else 0)


def parse_table(printed: str, geometry: str, first_sector: bytes) -> Table:
    """A table from what parted prints.

    Args:
        printed: Of ``-a cylinder --machine … unit B print free``.
        geometry: Of ``--machine … unit chs print``.
        first_sector: The disk's, by which the extended partition is known.

    Raises:
        InternalError: It is not what parted prints.
    """
    try:
        lines = [line.rstrip(";").split(":") for line in printed.splitlines()[1:]]
        label = lines[0][5]
        rows = [(int(row[0]), _bytes(row[1]), _bytes(row[2]) + 1, row) for row in lines[1:]]
        heads, sectors = geometry.splitlines()[2].split(":")[1:3]
        cylinder = int(heads) * int(sectors) * SECTOR
    except (IndexError, ValueError) as exc:
        raise InternalError(
            f"parted has printed '{printed[:200]}'", domain=ErrorDomain.STORAGE
        ) from exc
    label = next((ours for ours, theirs in _LABELS.items() if theirs == label), label)
    parts = [Partition(*row[:3]) for row in rows if row[3][4] != "free"]
    extended = _extended(first_sector) if label == "dos" else _HEADER.get(label, 0)
    inside = next((each for each in parts if each.number == extended), None)
    free = [
        Extent(
            max(start, SECTOR), end,
            inside is not None and inside.start <= start and end <= inside.end,
        )
        for _, start, end, row in rows
        if row[4] == "free"
    ]  # fmt: skip
    return Table(label, cylinder, tuple(parts), tuple(free), extended)


def _bytes(word: str) -> int:
    return int(word.removesuffix("B"))


def _extended(sector: bytes) -> int:
    """The number of the extended partition in a DOS table; 0 where there is none."""
    for number in _PRIMARY:
        kind = struct.unpack_from("B", sector, 446 + 16 * (number - 1) + 4)[0]
        if kind in _EXTENDED:
            return number
    return 0
