# SPDX-License-Identifier: Apache-2.0
"""Partition tables as parted 3.5 prints them, and where libvirt 9.0.0 puts the next partition."""

from __future__ import annotations

import struct

import pytest

from virloom.drivers.storage.backends.partitions import Table, parse_table
from virloom.errors import InternalError

MIB = 1 << 20
GEOMETRY = (
    "CHS;\n/dev/loop0:1606,69,1:loopback:512:512:msdos:Loopback device:;\n1606:255:2:261kB;\n"
)
GPT = "BYT;\n/dev/loop0:419430400B:loopback:512:512:gpt:Loopback device:;\n"
DOS = "BYT;\n/dev/loop0:419430400B:loopback:512:512:msdos:Loopback device:cylinder_alignment;\n"
FULL = (
    "1:1024B:10705919B:10704896B:::;\n2:10705920B:31856639B:21150720B:::swap;\n"
    "3:31856640B:94786559B:62929920B:::lba;\n5:31858176B:53268479B:21410304B:::;\n"
    "1:53268480B:94786559B:41518080B:free;\n4:94786560B:105492479B:10705920B:::;\n"
    "1:105492480B:419358719B:313866240B:free;\n"
)


def sector(extended: int = 0) -> bytes:
    """The first one of a disk, with an extended partition of that number."""
    data = bytearray(512)
    if extended:
        struct.pack_into("B", data, 446 + 16 * (extended - 1) + 4, 0x0F)
    return bytes(data)


def table(printed: str, extended: int = 0) -> Table:
    return parse_table(printed, GEOMETRY, sector(extended))


def test_a_dos_table_with_an_extended_partition() -> None:
    found = table(DOS + FULL, extended=3)
    assert (found.label, found.cylinder, found.extended) == ("dos", 261120, 3)
    assert [part.number for part in found.data] == [1, 2, 5, 4]
    assert [part.number for part in found.logical] == [5]
    assert [free.logical for free in found.free] == [True, False]
    assert found.next_is_logical
    assert found.next_number(logical=True) == 6
    with pytest.raises(InternalError, match="no partition"):
        found.next_number(logical=False)


@pytest.mark.parametrize(
    ("free", "size", "place"),
    [
        ((1024, 419358720), 10 * MIB, (1024, 10705920)),
        ((10705920, 419358720), 20 * MIB, (10705920, 31856640)),
        ((31856640, 419358720), 60 * MIB, (31856640, 94786560)),
        ((1024, 10705920), 5 * MIB, (1024, 5483520)),
    ],
)
def test_a_dos_partition_ends_with_a_cylinder(
    free: tuple[int, int], size: int, place: tuple[int, int]
) -> None:
    found = table(f"{DOS}1:{free[0]}B:{free[1] - 1}B:1B:free;\n")
    assert found.place(size, logical=False) == place


def test_a_logical_partition_follows_its_own_table() -> None:
    extended = "3:31856640B:94786559B:62929920B:::lba;\n1:31857664B:94786559B:62928896B:free;\n"
    found = table(DOS + extended, extended=3)
    assert found.place(21150720, logical=True) == (31858176, 53268480)
    with pytest.raises(InternalError, match="no large enough"):
        found.place(21150720, logical=False)


def test_a_gpt_partition_takes_the_smallest_gap() -> None:
    free = "1:17408B:10503167B:1B:free;\n2:10503168B:31474687B:1B:::;\n"
    free += "1:31474688B:419413503B:1B:free;\n"
    found = table(GPT + free)
    assert found.place(5 * MIB, logical=False) == (17408, 17408 + 5 * MIB)
    assert found.place(20 * MIB, logical=False) == (31474688, 31474688 + 20 * MIB)
    assert found.next_number(logical=False) == 1
    assert not found.next_is_logical
    with pytest.raises(InternalError, match="no large enough"):
        found.place(4000 * MIB, logical=False)


def test_a_full_dos_table() -> None:
    rows = "".join(
        f"{number}:{number * MIB}B:{(number + 1) * MIB - 1}B:1B:::;\n" for number in (1, 2, 3, 4)
    )
    with pytest.raises(InternalError, match="no extended partition"):
        _ = table(DOS + rows).next_is_logical


@pytest.mark.parametrize(
    "printed", ["", "BYT;\n", "BYT;\nodd;\n", GPT + "x:1B:2B:1B:::;\n", GPT + "1:1B\n"]
)
def test_what_parted_does_not_print(printed: str) -> None:
    with pytest.raises(InternalError, match="parted has printed"):
        table(printed)
