# SPDX-License-Identifier: Apache-2.0
"""Character devices: consoles and channels."""

from __future__ import annotations

from typing import NamedTuple

from virloom.drivers.qemu.monitor.client import Monitor
from virloom.drivers.qemu.monitor.commands.answer import reading

_PTY = "pty:"


class Chardev(NamedTuple):
    """A character device.

    Attributes:
        label: Its id, ``charserial0``.
        filename: Its kind and where it goes, as QEMU writes it: ``pty:/dev/pts/3``.
        frontend_open: Whether the guest's side is open (only channels have an opinion).
    """

    label: str
    filename: str
    frontend_open: bool

    @property
    def pty(self) -> str | None:
        """The terminal's path, for a chardev of that kind."""
        return self.filename.removeprefix(_PTY) if self.filename.startswith(_PTY) else None


async def query_chardev(monitor: Monitor) -> dict[str, Chardev]:
    """All character devices, by label."""
    answer = await monitor.execute("query-chardev")
    with reading("query-chardev"):
        devices = [
            Chardev(str(one["label"]), str(one["filename"]), bool(one["frontend-open"]))
            for one in answer
        ]
    return {device.label: device for device in devices}
