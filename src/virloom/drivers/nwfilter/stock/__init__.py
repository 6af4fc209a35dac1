# SPDX-License-Identifier: Apache-2.0
"""The filters that every host has, by libvirt's names: the documents beside this file.

Guests' documents name them, so what they let through is libvirt's; the texts are our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files


def stock_filters() -> Iterator[tuple[str, str]]:
    """Name and document of each, by name."""
    for item in sorted(files(__name__).iterdir(), key=lambda item: item.name):
        name, dot, suffix = item.name.rpartition(".")
        if dot and suffix == "xml":
            yield name, item.read_text(encoding="utf-8")
