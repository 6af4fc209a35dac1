# SPDX-License-Identifier: Apache-2.0
"""Names of what the host has for guests' network cards."""

from __future__ import annotations

from itertools import count

#: What libvirt begins the names of its taps with, and of its macvtaps.
PREFIX = "vnet"
DIRECT_PREFIX = "macvtap"
#: What a document may have kept of another run: nobody asked for these names.
GENERATED_DIRECT = (PREFIX, DIRECT_PREFIX, "macvlan")
#: What the names of the lists of guests' ports end with (:mod:`virloom.drivers.qemu.nics.ports`).
SUFFIX = ".ports"
#: The same of those of their filters (:mod:`virloom.drivers.qemu.nics.filters`).
FILTERS_SUFFIX = ".filters"
#: And of those of taps whose end somebody is told of (:mod:`virloom.drivers.qemu.nics.partings`).
PARTINGS_SUFFIX = ".partings"
#: Of all of them.
HELD_SUFFIXES = (FILTERS_SUFFIX, SUFFIX, PARTINGS_SUFFIX)


class TapNames:
    """Gives names to taps. None is given twice, so that what is kept by name is never another's.

    Args:
        prefix: What they begin with.
    """

    def __init__(self, prefix: str = PREFIX) -> None:
        self._prefix = prefix
        self._numbers = count()

    def next(self) -> str:
        """A name that this driver has not given yet; the host may have a link of it."""
        return f"{self._prefix}{next(self._numbers)}"
