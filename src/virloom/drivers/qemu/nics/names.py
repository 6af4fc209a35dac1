# SPDX-License-Identifier: Apache-2.0
"""Names of what the host has for guests' network cards."""

from __future__ import annotations

from itertools import count

#: What libvirt begins the names of its taps with.
PREFIX = "vnet"
#: What the names of the lists of guests' ports end with (:mod:`virloom.drivers.qemu.nics.ports`).
SUFFIX = ".ports"


class TapNames:
    """Gives names to taps. None is given twice, so that what is kept by name is never another's."""

    def __init__(self) -> None:
        self._numbers = count()

    def next(self) -> str:
        """A name that this driver has not given yet; the host may have a link of it."""
        return f"{PREFIX}{next(self._numbers)}"
