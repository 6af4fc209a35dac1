# SPDX-License-Identifier: Apache-2.0
"""Network interfaces."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.drivers.qemu.devices.props.net import net_backend, net_device, netdev_id

#: The descriptor of the first tap in a command line that nobody runs.
_FIRST_TAP = 4


def add_interfaces(assembly: Assembly) -> None:
    """Back end and card of every interface."""
    for number, interface in enumerate(assembly.dom.devices.interfaces):
        if assembly.context.standalone:
            # libvirt shows a tap of its own making for every kind of connection.
            tap = {"type": "tap", "fd": str(_FIRST_TAP + number), "id": netdev_id(interface)}
            assembly.args.netdev(tap)
        else:
            assembly.args.netdev(net_backend(interface))
        boot = assembly.boot.get(alias_of(interface, "network interface"))
        assembly.args.device(net_device(interface, assembly.buses, boot=boot))
