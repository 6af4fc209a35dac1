# SPDX-License-Identifier: Apache-2.0
"""Input devices."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.devices.props.input import evdev_object, input_device


def add_inputs(assembly: Assembly) -> None:
    """Every input device that the machine does not bring along."""
    for device in assembly.dom.devices.inputs:
        if device.type == "evdev":
            assembly.args.object(evdev_object(device))
            continue
        props = input_device(device, assembly.buses)
        if props is not None:
            assembly.args.device(props)
