# SPDX-License-Identifier: Apache-2.0
"""The words for the numbers of makers and products (``pci.ids`` of the PCI ID project)."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

PCI_IDS = Path("/usr/share/misc/pci.ids")

#: The beginning of the next maker: products are indented.
_MAKER = re.compile(rb"\n[^\t#\n]")


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
    following = _MAKER.search(data, start + 1)
    end = following.start() if following is not None else len(data)
    product_at = data.find(f"\n\t{product:04x}  ".encode(), start, end)
    return _word(data, start), _word(data, product_at) if product_at >= 0 else None


def _word(data: bytes, at: int) -> str:
    """What follows the number on the line that begins after *at*."""
    end = data.find(b"\n", at + 1)
    line = data[at + 1 : end if end >= 0 else len(data)]
    return line.strip()[4:].strip().decode(errors="replace")
