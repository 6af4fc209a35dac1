# SPDX-License-Identifier: Apache-2.0
"""What starts by itself, starts once in each boot.

A driver that is closed and opened again has not rebooted, and whoever stopped something meanwhile
does not want it back (libvirt keeps a mark for this too).
"""

from __future__ import annotations

from pathlib import Path

from virloom.host.boot import boot_id
from virloom.host.files import write_atomic


def first_since_boot(mark: Path) -> bool:
    """Whether a driver is opened for the first time since the host has booted; notes that it was.

    Args:
        mark: The file that tells it, in a directory of the driver's.

    Raises:
        SystemFailure: It cannot be written.
    """
    if mark.exists() and mark.read_text() == boot_id():
        return False
    write_atomic(mark, boot_id().encode(), durable=False)
    return True
