# SPDX-License-Identifier: Apache-2.0
"""Defaults of network interfaces."""

from __future__ import annotations

import os

from virloom.drivers.qemu.capabilities.binary import BinaryCaps
from virloom.drivers.qemu.devices.address import is_microvm
from virloom.drivers.qemu.devices.boards import is_ccw, is_virt
from virloom.model.domain import Domain


def fill_interfaces(dom: Domain, caps: BinaryCaps) -> None:
    """MAC address and model of each interface."""
    for interface in dom.devices.interfaces:
        if interface.mac.address is None:
            interface.mac.address = _generated_mac()
        else:
            interface.mac.address = interface.mac.address.lower()
        if interface.model.type is None:
            interface.model.type = _model(dom, caps)


def _generated_mac() -> str:
    """A random address in QEMU's range, as libvirt takes it (``52:54:00``)."""
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in os.urandom(3))


def _model(dom: Domain, caps: BinaryCaps) -> str:
    if is_microvm(dom.os.type.machine) or is_ccw(dom) or is_virt(dom):
        return "virtio"
    for model in ("rtl8139", "e1000"):
        if caps.may_have_device(model):
            return model
    return "virtio"
