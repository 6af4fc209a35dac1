# SPDX-License-Identifier: Apache-2.0
"""The words for the numbers of makers and products (``pci.ids`` of the PCI ID project)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

PCI_IDS = Path("/usr/share/misc/pci.ids")


@lru_cache(maxsize=256)
def words(vendor: int, product: int, path: Path = PCI_IDS) -> tuple[str | None, str | None]:
    """The words for a maker, and for its product; None for what the list has not.

    The list is not kept in memory: what has been found in it is.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return None, None
    start = data.find(f"\n{vendor:04x}  ".encode())
    if start < 0:
        return None, None
    maker, *rest = data[start + 1 : start + 1_000_000].splitlines()
    return _word(maker), _product(rest, f"\t{product:04x}  ".encode())


def _product(lines: list[bytes], beginning: bytes) -> str | None:
    for line in lines:
        if line.startswith(beginning):
            return _word(line)
        if line and not line.startswith((b"\t", b"#")):  # the next maker
            return None
    return None


def _word(line: bytes) -> str:
    return line.strip()[4:].strip().decode(errors="replace")
