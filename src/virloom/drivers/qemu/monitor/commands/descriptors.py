# SPDX-License-Identifier: Apache-2.0
"""Descriptor sets: files that QEMU reaches as ``/dev/fdset/N``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.monitor.commands.answer import reading


async def add_fd(monitor: Monitor, fd: int, set_number: int | None = None) -> int:
    """Gives QEMU a descriptor; returns the number of its set, a new one if none is named.

    QEMU takes from a set only what was opened in just the mode (reading, writing, both) that it
    wants.
    """
    arguments = {} if set_number is None else {"fdset-id": set_number}
    answer = await monitor.execute("add-fd", arguments, fds=[fd])
    with reading("add-fd"):
        return int(answer["fdset-id"])


@asynccontextmanager
async def lent_fd(monitor: Monitor, fd: int) -> AsyncIterator[str]:
    """A path by which QEMU reaches *fd* while the block runs."""
    number = await add_fd(monitor, fd)
    try:
        yield f"/dev/fdset/{number}"
    finally:
        # Not waited for, so that a cancelled block ends at once; QEMU does commands in order, and
        # a monitor that has gone took the set with it.
        monitor.submit("remove-fd", {"fdset-id": number})
