# SPDX-License-Identifier: Apache-2.0
"""The memory balloon."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.devices.props.balloon import balloon_device


def add_balloon(assembly: Assembly) -> None:
    """The balloon, unless the document wants none."""
    balloon = assembly.dom.devices.memballoon
    if balloon is not None:
        props = balloon_device(balloon, assembly.buses)
        if props is not None:
            assembly.args.device(props)
