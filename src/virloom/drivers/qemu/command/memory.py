# SPDX-License-Identifier: Apache-2.0
"""Memory: how much, and what stands behind it."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.errors import ConfigUnsupported

_BYTES_PER_KIB = 1024


def add_memory(assembly: Assembly) -> None:
    """``-m`` and the object that holds the memory.

    Raises:
        ConfigUnsupported: The document gives the guest none.
    """
    dom, args = assembly.dom, assembly.args
    size = dom.memory
    if not size:
        raise ConfigUnsupported(f"domain '{dom.name}' has no memory")
    args.option("m", f"size={size}k")
    args.object(
        {"qom-type": "memory-backend-ram", "id": assembly.ram_id, "size": size * _BYTES_PER_KIB}
    )
    args.option("overcommit", "mem-lock=off")
