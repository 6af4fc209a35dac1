# SPDX-License-Identifier: Apache-2.0
"""What this host's QEMU binaries can do, found out when somebody needs it."""

from __future__ import annotations

from virloom.drivers.qemu.capabilities.binary import (
    BinaryCaps,
    CpuModel,
    FactsMissing,
    Machine,
    Parts,
)
from virloom.drivers.qemu.capabilities.cache import CapabilityCache
from virloom.drivers.qemu.capabilities.emulator import find_emulator

__all__ = [
    "BinaryCaps",
    "CapabilityCache",
    "CpuModel",
    "FactsMissing",
    "Machine",
    "Parts",
    "find_emulator",
]
