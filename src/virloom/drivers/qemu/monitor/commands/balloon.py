# SPDX-License-Identifier: Apache-2.0
"""The memory balloon."""

from __future__ import annotations

from typing import NamedTuple

from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.monitor.commands.answer import reading

#: What QEMU says for a figure that the guest has not reported: all bits of an unsigned 64.
_UNKNOWN = 2**64 - 1


class GuestMemory(NamedTuple):
    """What the guest's balloon driver last reported.

    Attributes:
        updated: When, in seconds since 1970; 0 for never.
        figures: By QEMU's names (``stat-free-memory``, ``stat-swap-in``, ...), in bytes or counts;
            those that the guest does not report are left out.
    """

    updated: int
    figures: dict[str, int]


async def query_balloon(monitor: Monitor) -> int:
    """The memory that the guest has, in bytes.

    Raises:
        QmpError: It has no balloon (``DeviceNotActive``).
    """
    answer = await monitor.execute("query-balloon")
    with reading("query-balloon"):
        return int(answer["actual"])


async def set_balloon(monitor: Monitor, size: int) -> None:
    """Asks the guest to make do with *size* bytes; BALLOON_CHANGE tells of the outcome."""
    await monitor.execute("balloon", {"value": size})


def peripheral(alias: str) -> str:
    """The object path of the device that was given the id *alias*."""
    return f"/machine/peripheral/{alias}"


async def guest_memory(monitor: Monitor, qom_path: str) -> GuestMemory:
    """The guest's own figures, from the balloon device at *qom_path*; asks QEMU, not the guest."""
    answer = await monitor.execute("qom-get", {"path": qom_path, "property": "guest-stats"})
    with reading("qom-get"):
        figures = {
            str(name): int(value)
            for name, value in answer["stats"].items()
            if 0 <= int(value) < _UNKNOWN
        }
        return GuestMemory(int(answer["last-update"]), figures)


async def set_polling_interval(monitor: Monitor, qom_path: str, seconds: int) -> None:
    """Makes QEMU ask the guest for its figures every *seconds*; 0 ends that."""
    arguments = {"path": qom_path, "property": "guest-stats-polling-interval", "value": seconds}
    await monitor.execute("qom-set", arguments)
