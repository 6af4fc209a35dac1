# SPDX-License-Identifier: Apache-2.0
"""USB hubs."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.devices.props.hub import hub_device


def add_hubs(assembly: Assembly) -> None:
    """Every hub, before the devices that are plugged into it."""
    for hub in assembly.dom.devices.hubs:
        assembly.args.device(hub_device(hub, assembly.buses))
