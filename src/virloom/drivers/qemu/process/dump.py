# SPDX-License-Identifier: Apache-2.0
"""The memory of a crashed guest in a file, as ``on_crash`` asks for it with ``coredump-…``."""

from __future__ import annotations

import os
import time
from pathlib import Path

from virloom.drivers.qemu.process.running import RunningGuest
from virloom.errors import system_failure
from virloom.host.files import ensure_directory

#: Seconds that QEMU may take to write all of the memory.
DUMP_LIMIT = 3600.0

_NAME = "virloom-dump"


async def dump_memory(running: RunningGuest, directory: Path) -> Path:
    """Writes the guest's memory as an ELF core file and returns where it is.

    A dump that fails leaves no file.

    Raises:
        SystemFailure: The file cannot be made.
        VirloomError: QEMU cannot write it.
    """
    ensure_directory(directory)
    now = time.strftime("%Y-%m-%d-%H:%M:%S", time.gmtime())
    path = directory / f"{running.guest.id}-{running.guest.name}-{now}"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise system_failure(f"cannot make the core file '{path}'", exc) from exc
    try:
        monitor = running.require_monitor()
        await monitor.execute("getfd", {"fdname": _NAME}, fds=[fd])
        arguments = {"paging": False, "protocol": f"fd:{_NAME}"}
        await running.execute("dump-guest-memory", arguments, limit=DUMP_LIMIT)
    except BaseException:
        path.unlink()
        raise
    finally:
        os.close(fd)
    return path
