# SPDX-License-Identifier: Apache-2.0
"""Keys by their names."""

from __future__ import annotations

from virloom.cli.shell.key_table import NAMES
from virloom.enums.domain import KeycodeSet


def number_of(codeset: KeycodeSet, name: str) -> int | None:
    """The number of a key in a codeset, None where that has no such name.

    Only the codeset ``linux`` has names here; virsh knows those of ``win32`` and ``os_x`` too.
    """
    if codeset != KeycodeSet.LINUX:
        return None
    for line in NAMES.split():
        known, _, number = line.partition("=")
        if known == name:
            return int(number)
    return None
