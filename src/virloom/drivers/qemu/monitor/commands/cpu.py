# SPDX-License-Identifier: Apache-2.0
"""The guest's processors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.monitor.commands.answer import reading


class Vcpu(NamedTuple):
    """A virtual processor.

    Attributes:
        number: QEMU's number of it (``cpu-index``).
        thread: The thread that runs it.
        qom_path: Where its object is, ``/machine/unattached/device[0]``.
        position: Its place: ``socket-id``, ``core-id``, ``thread-id``, ``die-id``, ``node-id``.
        order: Which one it was to come, from 1.
    """

    number: int
    thread: int
    qom_path: str
    position: Mapping[str, int]
    order: int = 0


class HotpluggableCpu(NamedTuple):
    """A CPU device that is there or could be.

    Attributes:
        driver: What ``device_add`` calls it.
        vcpus: How many vCPUs it is.
        position: The properties that say which one it is: ``socket-id`` and so on.
        qom_path: Where its object is; None for one that is absent.
    """

    driver: str
    vcpus: int
    position: Mapping[str, int]
    qom_path: str | None


async def query_cpus_fast(monitor: Monitor) -> list[Vcpu]:
    """The processors, by number; does not interrupt them."""
    answer = await monitor.execute("query-cpus-fast")
    with reading("query-cpus-fast"):
        cpus = [
            Vcpu(
                int(cpu["cpu-index"]),
                int(cpu["thread-id"]),
                str(cpu["qom-path"]),
                {str(key): int(value) for key, value in cpu.get("props", {}).items()},
                order,
            )
            for order, cpu in enumerate(answer, 1)
        ]
    return sorted(cpus)


async def query_hotpluggable_cpus(monitor: Monitor) -> list[HotpluggableCpu]:
    """The CPUs of a machine that can have more of them.

    Raises:
        QmpError: The machine cannot.
    """
    answer = await monitor.execute("query-hotpluggable-cpus")
    with reading("query-hotpluggable-cpus"):
        return [
            HotpluggableCpu(
                str(cpu["type"]),
                int(cpu["vcpus-count"]),
                {str(key): int(value) for key, value in cpu["props"].items()},
                str(cpu["qom-path"]) if "qom-path" in cpu else None,
            )
            for cpu in answer
        ]
