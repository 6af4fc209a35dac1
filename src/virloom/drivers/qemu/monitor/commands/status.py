# SPDX-License-Identifier: Apache-2.0
"""The guest as a whole."""

from __future__ import annotations

from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.monitor.commands.answer import reading


async def can_be_woken(monitor: Monitor) -> bool:
    """Whether a guest of this machine that suspends itself to memory could be woken."""
    answer = await monitor.execute("query-current-machine")
    with reading("query-current-machine"):
        return bool(answer["wakeup-suspend-support"])
