# SPDX-License-Identifier: Apache-2.0
"""The guest as a whole: whether it runs, and making it run, stop, or go away."""

from __future__ import annotations

from typing import NamedTuple

from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.monitor.commands.answer import reading


class Status(NamedTuple):
    """Whether vCPUs run, and QEMU's word for it.

    Attributes:
        running: Whether the vCPUs run.
        word: ``running``, ``paused``, ``prelaunch``, ``shutdown``, ``suspended``, ``io-error``,
            ``guest-panicked``, ``watchdog``, ``internal-error``, ``inmigrate``, ... (``RunState``
            of QEMU's ``qapi/run-state.json``).
    """

    running: bool
    word: str


async def query_status(monitor: Monitor) -> Status:
    """Whether the guest runs."""
    answer = await monitor.execute("query-status")
    with reading("query-status"):
        return Status(bool(answer["running"]), str(answer["status"]))


async def cont(monitor: Monitor) -> None:
    """Lets the vCPUs run."""
    await monitor.execute("cont")


async def stop(monitor: Monitor) -> None:
    """Stops the vCPUs."""
    await monitor.execute("stop")


async def system_powerdown(monitor: Monitor) -> None:
    """Presses the power button."""
    await monitor.execute("system_powerdown")


async def system_reset(monitor: Monitor) -> None:
    """Presses the reset button."""
    await monitor.execute("system_reset")


async def can_be_woken(monitor: Monitor) -> bool:
    """Whether a guest of this machine that suspends itself to memory could be woken."""
    answer = await monitor.execute("query-current-machine")
    with reading("query-current-machine"):
        return bool(answer["wakeup-suspend-support"])


async def system_wakeup(monitor: Monitor) -> None:
    """Wakes a guest that suspended itself to memory."""
    await monitor.execute("system_wakeup")


async def quit(monitor: Monitor) -> None:
    """Ends QEMU; its caches are written."""
    await monitor.execute("quit")


def version(monitor: Monitor) -> tuple[int, int, int]:
    """QEMU's version, from the greeting of a connected monitor; asks nothing."""
    with reading("greeting"):
        greeting = monitor.greeting
        if greeting is None:
            raise ValueError("there was none")
        said = greeting.version["qemu"]
        return int(said["major"]), int(said["minor"]), int(said["micro"])
