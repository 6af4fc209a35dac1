# SPDX-License-Identifier: Apache-2.0
"""QEMU's jobs that keep a guest's state within its images (qapi/migration.json, since 6.0).

libvirt 9 has the monitor's ``savevm`` do it. The jobs name the disks, where ``savevm`` takes every
writable one; they refuse a name that is taken, where ``savevm`` overwrites; and their outcome stays
to be asked for, so that a daemon that is killed meanwhile can learn it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from virloom.drivers.qemu.monitor.client import QmpError
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationFailed

#: Our names of the jobs; there is one at a time.
SAVE, LOAD, DELETE = "virloom-snapshot-save", "virloom-snapshot-load", "virloom-snapshot-delete"


async def save_state(running: RunningGuest, name: str, nodes: Sequence[str]) -> None:
    """Keeps memory and disks of a stopped guest under *name* within the images.

    Args:
        nodes: Format nodes of the disks; the memory goes into the first.

    Raises:
        OperationFailed: QEMU failed, in its words.
    """
    arguments = {"tag": name, "vmstate": nodes[0], "devices": list(nodes)}
    await _run(running, SAVE, "snapshot-save", arguments)


async def load_state(running: RunningGuest, name: str, nodes: Sequence[str]) -> None:
    """Makes a stopped guest what is kept under *name*.

    Raises:
        OperationFailed: QEMU failed, in its words.
    """
    arguments = {"tag": name, "vmstate": nodes[0], "devices": list(nodes)}
    await _run(running, LOAD, "snapshot-load", arguments)


async def delete_state(running: RunningGuest, name: str, nodes: Sequence[str]) -> None:
    """Removes what is kept under *name* from the images.

    Raises:
        OperationFailed: QEMU failed, in its words.
    """
    await _run(running, DELETE, "snapshot-delete", {"tag": name, "devices": list(nodes)})


async def _run(running: RunningGuest, id: str, command: str, arguments: dict[str, Any]) -> None:
    await settle(running, id)  # of an earlier owner
    concluded = running.formatting[id] = asyncio.Event()
    try:
        await running.execute(command, {"job-id": id, **arguments})
        await concluded.wait()
        running.require_current()
        error = await settle(running, id)
    finally:
        running.formatting.pop(id, None)
    if error is not None:
        raise OperationFailed(f"{command}: {error}", domain=ErrorDomain.QEMU)


async def settle(running: RunningGuest, id: str) -> str | None:
    """Has QEMU forget a job that is over; returns why it failed, if it has."""
    for job in await running.execute("query-jobs"):
        if job["id"] != id or job["status"] != "concluded":
            continue
        try:
            await running.execute("job-dismiss", {"id": id})
        except QmpError as exc:
            if "not found" not in exc.description.lower():
                raise
        return str(job["error"]) if "error" in job else None
    return None
