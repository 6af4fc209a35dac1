# SPDX-License-Identifier: Apache-2.0
"""Devices by which a guest tells that it panicked."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import Props
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Panic


def panic_device(panic: Panic) -> Props | None:
    """Properties of the device; None for those that are part of the CPU or of the machine.

    Raises:
        ConfigUnsupported: A model of another architecture.
    """
    if panic.model in ("hyperv", "pseries", "s390"):
        return None
    if panic.model not in (None, "default", "isa"):
        raise ConfigUnsupported(f"unknown panic model '{panic.model}'; known: hyperv, isa")
    props: Props = {"driver": "pvpanic"}
    if panic.address is not None and panic.address.iobase is not None:
        props["ioport"] = panic.address.iobase
    return props
