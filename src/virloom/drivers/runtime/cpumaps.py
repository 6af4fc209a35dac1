# SPDX-License-Identifier: Apache-2.0
"""Sets of the host's processors: a bit for each on the wire, ranges in documents."""

from __future__ import annotations

from collections.abc import Iterable

from virloom.model.cpuset import as_text, numbers_in


def from_wire(cpumap: bytes) -> str:
    """The set as documents have it; empty for none."""
    return as_text(
        number for number in range(len(cpumap) * 8) if cpumap[number // 8] >> number % 8 & 1
    )


def to_wire(numbers: Iterable[int], length: int) -> bytes:
    """The set as *length* bytes; what has no room is left out."""
    made = bytearray(length)
    for number in numbers:
        if number < length * 8:
            made[number // 8] |= 1 << number % 8
    return bytes(made)


def cpus_of(cpuset: str | None, default: Iterable[int]) -> list[int]:
    """The processors of a document's set; *default* where it has none."""
    if cpuset is None:
        return list(default)
    return numbers_in(cpuset) if cpuset else []
