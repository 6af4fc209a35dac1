# SPDX-License-Identifier: Apache-2.0
"""Which disk of a domain is meant."""

from __future__ import annotations

from virloom.model.domain import Disk, Domain


def find_disk(model: Domain, name: str) -> Disk | None:
    """The disk with that target, or with that file."""
    for disk in model.devices.disks:
        source = disk.source.file or disk.source.dev
        if name == (source if name.startswith("/") else disk.target.dev):
            return disk
    return None
