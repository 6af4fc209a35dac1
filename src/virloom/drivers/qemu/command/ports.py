# SPDX-License-Identifier: Apache-2.0
"""Serial and parallel ports, consoles and channels: back end and device of each."""

from __future__ import annotations

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.chardev import add_chardev, chardev_files
from virloom.drivers.qemu.command.context import FileRequest
from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.drivers.qemu.devices.props.chardev import (
    channel_device,
    chardev_id,
    console_device,
    guestfwd_backend,
    parallel_device,
    serial_device,
)
from virloom.model.domain import Chardev, Console, Domain


def mirrors_serial(console: Console) -> bool:
    """Whether the console only shows the serial port, and has no device of its own."""
    return console.target.type in (None, "serial")


def port_files(dom: Domain) -> list[FileRequest]:
    """What the back ends of all ports need open."""
    requests: list[FileRequest] = []
    for device, alias in _ports(dom):
        requests += chardev_files(device, alias)
    return requests


def _ports(dom: Domain) -> list[tuple[Chardev, str]]:
    """Every port with a back end of its own, and its alias."""
    devices = dom.devices
    ports: list[Chardev] = [*devices.serials, *devices.parallels]
    ports += [console for console in devices.consoles if not mirrors_serial(console)]
    ports += devices.channels
    return [(port, alias_of(port, "character device")) for port in ports]


def add_serials(assembly: Assembly) -> None:
    """Serial ports."""
    for serial in assembly.dom.devices.serials:
        _add_backend(assembly, serial)
        if serial.target.type == "system-serial":
            # The machine brings the device; only its other end is to be named.
            alias = alias_of(serial, "serial port")
            assembly.args.option("serial", f"chardev:{chardev_id(alias)}")
        else:
            assembly.args.device(serial_device(serial, assembly.buses))


def add_parallels(assembly: Assembly) -> None:
    """Parallel ports."""
    for parallel in assembly.dom.devices.parallels:
        _add_backend(assembly, parallel)
        assembly.args.device(parallel_device(parallel))


def add_channels(assembly: Assembly) -> None:
    """Channels between host and guest."""
    for channel in assembly.dom.devices.channels:
        _add_backend(assembly, channel)
        if channel.target.type == "guestfwd":
            assembly.args.netdev(guestfwd_backend(channel))
        else:
            assembly.args.device(channel_device(channel, assembly.buses))


def add_consoles(assembly: Assembly) -> None:
    """Consoles that are no serial ports."""
    for console in assembly.dom.devices.consoles:
        if not mirrors_serial(console):
            _add_backend(assembly, console)
            assembly.args.device(console_device(console, assembly.buses))


def _add_backend(assembly: Assembly, device: Chardev) -> None:
    alias = alias_of(device, "character device")
    add_chardev(assembly.args, assembly.context, device, alias, chardev_id(alias))
