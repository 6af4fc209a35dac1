# SPDX-License-Identifier: Apache-2.0
"""Network interfaces."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.drivers.qemu.devices.props.net import net_backend, net_device


def add_interfaces(assembly: Assembly) -> None:
    """Back end and card of every interface."""
    for interface in assembly.dom.devices.interfaces:
        assembly.args.netdev(net_backend(interface))
        boot = assembly.boot.get(alias_of(interface, "network interface"))
        assembly.args.device(net_device(interface, assembly.buses, boot=boot))
