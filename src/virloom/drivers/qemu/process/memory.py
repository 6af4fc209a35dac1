# SPDX-License-Identifier: Apache-2.0
"""A look at the memory of a guest."""

from __future__ import annotations

import os

from virloom.drivers.qemu.monitor.commands.answer import reading
from virloom.drivers.qemu.process.running import RunningGuest


async def read_memory(running: RunningGuest, offset: int, size: int, *, virtual: bool) -> bytes:
    """Bytes of the guest's memory, by ``memsave`` or ``pmemsave``.

    QEMU opens what it writes to by a path, as its own user; a descriptor of a file that only is in
    memory has one that whoever has the descriptor may use.

    Args:
        virtual: *offset* is one of the first processor's present address space.

    Raises:
        InternalError: There is nothing at that address.
    """
    monitor = running.require_monitor()
    fd = os.memfd_create("virloom-peek", os.MFD_CLOEXEC)
    try:
        os.fchmod(fd, 0o666)
        answer = await monitor.execute("add-fd", {"opaque": "peek"}, fds=[fd])
        with reading("add-fd"):
            number, path = int(answer["fdset-id"]), f"/proc/self/fd/{int(answer['fd'])}"
        arguments: dict[str, object] = {"val": offset, "size": size, "filename": path}
        if virtual:
            arguments["cpu-index"] = 0
        try:
            await running.execute("memsave" if virtual else "pmemsave", arguments)
            return os.pread(fd, size, 0)
        finally:
            monitor.submit("remove-fd", {"fdset-id": number})
            os.ftruncate(fd, 0)  # QEMU may keep it for as long as the guest is paused
    finally:
        os.close(fd)
