# SPDX-License-Identifier: Apache-2.0
"""Sizes as virsh reads and shows them."""

from __future__ import annotations

import pytest

from virloom.cli.shell.sizes import MAXIMUM, NoSize, read_size, shown_size
from virloom.errors import InvalidArg, NumericOverflow


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("010", 10),
        (" +7", 7),
        ("5b", 5),
        ("5Bytes", 5),
        ("1k", 1024),
        ("1KiB", 1024),
        ("1kB", 1000),
        ("3G", 3 * 2**30),
        ("15E", 15 * 2**60),
    ],
)
def test_size(text: str, size: int) -> None:
    assert read_size(text) == size


def test_unit_is_for_numbers_without_suffix() -> None:
    assert read_size("2", 1024) == 2048
    assert read_size("2b", 1024) == 2
    assert read_size("2M", 1024) == 2 * 2**20


@pytest.mark.parametrize("text", ["", "-1", "x", "k", str(2**64)])
def test_no_number(text: str) -> None:
    with pytest.raises(NoSize):
        read_size(text)


@pytest.mark.parametrize("suffix", ["x", " ", "ki", "bib", "0x", ".5G"])
def test_no_suffix(suffix: str) -> None:
    with pytest.raises(InvalidArg, match="unknown suffix"):
        read_size("1x" if suffix == "0x" else f"1{suffix}")


def test_too_large() -> None:
    assert read_size(str(MAXIMUM)) == MAXIMUM
    with pytest.raises(NumericOverflow, match="value too large: 16E"):
        read_size("16E")
    with pytest.raises(NumericOverflow):
        read_size("2k", maximum=2047)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0.00 B"),
        (1023, "1023.00 B"),
        (1024, "1.00 KiB"),
        (1536, "1.50 KiB"),
        (2**20 - 1, "1024.00 KiB"),
        (100 * 2**30, "100.00 GiB"),
        (MAXIMUM, "16.00 EiB"),
    ],
)
def test_shown(size: int, text: str) -> None:
    assert shown_size(size) == text
