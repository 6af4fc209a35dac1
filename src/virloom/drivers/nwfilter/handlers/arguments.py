# SPDX-License-Identifier: Apache-2.0
"""What the handlers check alike."""

from __future__ import annotations

from virloom.drivers.runtime.arguments import unknown_flags
from virloom.enums.error import ErrorDomain


def check_flags(flags: int, known: int, function: str) -> None:
    """Accepts *flags* that are among the *known* ones.

    Args:
        function: libvirt's name of the function, which its message has.

    Raises:
        InvalidArg: There are others.
    """
    unknown = flags & ~int(known)
    if unknown:
        raise unknown_flags(unknown, function, ErrorDomain.NWFILTER)
