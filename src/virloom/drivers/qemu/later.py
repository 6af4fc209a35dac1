# SPDX-License-Identifier: Apache-2.0
"""Modules that a driver does without until somebody defines or starts a domain.

They are half of its modules. A daemon answers its first call before they are there; whoever needs
them first imports them, and a daemon that nobody needs does so in a quiet moment.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Coroutine
from typing import Any

from virloom.drivers.runtime.turns import let_others

#: In an order in which each brings a part of what the next ones need.
MODULES = (
    "virloom.drivers.qemu.validate",
    "virloom.drivers.qemu.definition",
    "virloom.drivers.qemu.command.disk",
    "virloom.drivers.qemu.command.builder",
    "virloom.drivers.qemu.process.launch",
    "virloom.drivers.qemu.hotplug.attach",
    "virloom.drivers.qemu.hotplug.detach",
)


def load(number: int) -> int | None:
    """Imports the module of that number; returns the next one's, None after the last."""
    importlib.import_module(MODULES[number])
    return number + 1 if number + 1 < len(MODULES) else None


def loaded() -> bool:
    """Whether they are there."""
    return all(name in sys.modules for name in MODULES)


async def load_meanwhile(work: Coroutine[Any, Any, object]) -> None:
    """Imports them while *work* is done, most of which should be waiting for other processes.

    Raises what *work* raises; it is cancelled when this is.
    """
    task = asyncio.create_task(work)
    try:
        number: int | None = 0
        while number is not None:
            await let_others()
            number = load(number)
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
