# SPDX-License-Identifier: Apache-2.0
"""The keyboard."""

from __future__ import annotations

from collections.abc import Sequence

from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.monitor.keys import to_qnum
from virloom.enums.domain import KeycodeSet


async def send_key(
    monitor: Monitor,
    keys: Sequence[int],
    codeset: KeycodeSet = KeycodeSet.LINUX,
    hold_ms: int | None = None,
) -> None:
    """Presses keys together, in order, and lets them go after *hold_ms* (100 by default).

    Raises:
        InternalError: A code is no key of *codeset*, as libvirt says it.
        ArgumentUnsupported: We have no table of *codeset*.
    """
    numbers = [{"type": "number", "data": to_qnum(codeset, key)} for key in keys]
    arguments: dict[str, object] = {"keys": numbers}
    if hold_ms is not None:
        arguments["hold-time"] = hold_ms
    await monitor.execute("send-key", arguments)
