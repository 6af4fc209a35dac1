# SPDX-License-Identifier: Apache-2.0
"""Threads for input and output."""

from __future__ import annotations

from collections.abc import Mapping

from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.monitor.commands.answer import reading

_PREFIX = "iothread"


async def iothread_threads(monitor: Monitor) -> dict[int, int]:
    """The thread of each, by the number that ends its id, in QEMU's order."""
    answer = await monitor.execute("query-iothreads")
    with reading("query-iothreads"):
        return {
            int(item["id"].removeprefix(_PREFIX)): int(item["thread-id"])
            for item in answer
            if item["id"].removeprefix(_PREFIX).isdecimal()
        }


async def add_iothread(monitor: Monitor, number: int) -> None:
    """Starts one."""
    await monitor.execute("object-add", {"qom-type": _PREFIX, "id": f"{_PREFIX}{number}"})


async def delete_iothread(monitor: Monitor, number: int) -> None:
    """Ends one that nothing uses."""
    await monitor.execute("object-del", {"id": f"{_PREFIX}{number}"})


async def set_iothread(monitor: Monitor, number: int, values: Mapping[str, int]) -> None:
    """Sets properties of one, in order: how it polls, and how many helpers it may have."""
    for name, value in values.items():
        arguments = {"path": f"/objects/{_PREFIX}{number}", "property": name, "value": value}
        await monitor.execute("qom-set", arguments)
