# SPDX-License-Identifier: Apache-2.0
"""Panic devices."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.devices.props.panic import panic_device


def add_panics(assembly: Assembly) -> None:
    """Every panic device that is no feature of the CPU."""
    for panic in assembly.dom.devices.panics:
        props = panic_device(panic)
        if props is not None:
            assembly.args.device(props)
