# SPDX-License-Identifier: Apache-2.0
"""Memory: how much, and what stands behind it."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.errors import ConfigUnsupported

_BYTES_PER_KIB = 1024
_KIB_PER_MIB = 1024


def started_with(size: int) -> int:
    """The memory in KiB that a guest starts with which asks for *size*: whole MiB, upwards.

    QEMU takes whole pages only; libvirt rounds like this and shows it while the guest runs.
    """
    return -(-size // _KIB_PER_MIB) * _KIB_PER_MIB


def add_memory(assembly: Assembly) -> None:
    """``-m`` and the object that holds the memory.

    Raises:
        ConfigUnsupported: The document gives the guest none.
    """
    dom, args = assembly.dom, assembly.args
    if not dom.memory:
        raise ConfigUnsupported(f"domain '{dom.name}' has no memory")
    size = started_with(dom.memory)
    args.option("m", str(size // _KIB_PER_MIB))
    args.object(
        {"qom-type": "memory-backend-ram", "id": assembly.ram_id, "size": size * _BYTES_PER_KIB}
    )
    args.option("overcommit", "mem-lock=off")
