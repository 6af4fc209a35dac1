# SPDX-License-Identifier: Apache-2.0
"""The filters that every host has, by libvirt's names: the documents beside this file.

Guests' documents name them, so what they let through is libvirt's; the texts are our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def stock_filters() -> Iterator[tuple[str, str]]:
    """Name and document of each, by name."""
    for path in sorted(Path(__file__).parent.glob("*.xml")):
        yield path.stem, path.read_text(encoding="utf-8")
