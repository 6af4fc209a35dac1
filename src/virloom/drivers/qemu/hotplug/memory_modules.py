# SPDX-License-Identifier: Apache-2.0
"""Memory modules of a guest that runs: where they are, and how much of one the guest has."""

from __future__ import annotations

from typing import Any

from virloom.drivers.qemu.monitor.commands.answer import reading
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.model.domain import MemoryDevice


async def show_module(running: RunningGuest, module: MemoryDevice) -> None:
    """Notes what QEMU says of a module: where it is, or how much of it the guest has."""
    alias = alias_of(module)
    answer: Any = await running.execute("query-memory-devices")
    with reading("query-memory-devices"):
        found = [item["data"] for item in answer if item["data"].get("id") == alias]
        for data in found:
            if module.model == "virtio-mem":
                module.target.current = int(data["size"]) // 1024
            elif module.address is not None and module.address.type == "dimm":
                module.address.base = int(data["addr"])
