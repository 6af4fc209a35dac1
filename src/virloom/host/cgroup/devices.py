# SPDX-License-Identifier: Apache-2.0
"""Which devices the processes of a group may open."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import Literal, NamedTuple


class DeviceRule(NamedTuple):
    """Devices that may be used, whatever their names.

    Attributes:
        kind: Character or block devices.
        major, minor: Their numbers; None for every minor one.
        access: Of ``r``, ``w`` and ``m``: read, write, make nodes, as for a ``/dev`` of its own.
    """

    kind: Literal["c", "b"]
    major: int
    minor: int | None
    access: str = "rwm"

    def __str__(self) -> str:
        """As version 1 has it (``admin-guide/cgroup-v1/devices.rst``)."""
        minor = "*" if self.minor is None else self.minor
        return f"{self.kind} {self.major}:{minor} {self.access}"


#: The guests' ends of pseudo-terminals (``admin-guide/devices.txt``).
TERMINALS = DeviceRule("c", 136, None)


def rules_of(paths: Iterable[str]) -> list[DeviceRule]:
    """Rules for the devices at *paths*; what is not there, or no device, needs none."""
    rules: dict[DeviceRule, None] = {}
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            continue  # who opens it says so
        number = os.major(status.st_rdev), os.minor(status.st_rdev)
        if stat.S_ISCHR(status.st_mode):
            rules[DeviceRule("c", *number)] = None
        elif stat.S_ISBLK(status.st_mode):
            rules[DeviceRule("b", *number)] = None
    return list(rules)
