# SPDX-License-Identifier: Apache-2.0
"""Defaults of serial ports, consoles and channels."""

from __future__ import annotations

from collections.abc import Sequence

from virloom.drivers.qemu.devices.boards import board
from virloom.model.domain import (
    Channel,
    Chardev,
    Console,
    ConsoleTarget,
    Domain,
    Log,
    Parallel,
    ParallelTarget,
    Redirdev,
    RngBackend,
    Serial,
    SerialTarget,
    Smartcard,
)

# The first serial port is a console as well if it is of one of these.
_CONSOLE_TARGETS = (None, "isa-serial", "system-serial", "spapr-vio-serial", "sclp-serial")
_MODEL_OF_TARGET = {
    "isa-serial": "isa-serial",
    "usb-serial": "usb-serial",
    "pci-serial": "pci-serial",
    "spapr-vio-serial": "spapr-vty",
    "sclp-serial": "sclpconsole",
    "isa-debug": "isa-debugcon",
}


def pair_console(dom: Domain) -> None:
    """The first console and the first serial port are the same thing, told twice.

    Guests of old had only the one or the other in their documents; libvirt shows both.
    """
    devices = dom.devices
    consoles, serials = devices.consoles, devices.serials
    if consoles and consoles[0].target.type in (None, "serial"):
        console = consoles.pop(0)
        if not serials:
            serial = Serial(target=SerialTarget(port=console.target.port))
            _mirror(console, serial)
            serial.address = console.address
            serials.append(serial)
    elif not serials or serials[0].target.type not in _CONSOLE_TARGETS:
        return
    console = Console(target=ConsoleTarget(type="serial", port=serials[0].target.port))
    _mirror(serials[0], console)
    consoles.insert(0, console)


def _mirror(source: Chardev, copy: Chardev) -> None:
    copy.type = source.type
    copy.sources = [item.copy() for item in source.sources]
    copy.protocol = source.protocol.copy()
    copy.log = source.log.copy()
    copy.alias = source.alias.copy() if source.alias is not None else None
    copy.acpi = source.acpi.copy()


def place_console(dom: Domain) -> None:
    """Shows at the console where the serial port that it mirrors sits."""
    consoles, serials = dom.devices.consoles, dom.devices.serials
    if consoles and serials and consoles[0].target.type == "serial":
        address = serials[0].address
        consoles[0].address = address.copy() if address is not None else None


def number_ports(dom: Domain) -> None:
    """Port numbers of those that name none, after the highest.

    Serial ports that say that they are ISA ones get theirs first, as in libvirt.
    """
    devices = dom.devices
    serials = [device.target for device in devices.serials]
    named: list[SerialTarget] = []
    for target in serials:
        if target.type == "isa-serial":
            if target.port is None:
                target.port = _after(named)
            named.append(target)
    for target in serials:
        if target.port is None:
            target.port = _after(serials)
    parallels = [device.target for device in devices.parallels]
    for number, parallel in enumerate(parallels):
        if parallel.port is None:
            parallel.port = _after(parallels[:number])
    for number, console in enumerate(devices.consoles):
        # Whatever the document says.
        console.target.port = number


def _after(targets: Sequence[SerialTarget | ParallelTarget]) -> int:
    return max((-1 if t.port is None else t.port for t in targets), default=-1) + 1


def fill_chardevs(dom: Domain) -> None:
    """Targets and modes."""
    devices = dom.devices
    own = board(dom).serial or ("isa-serial", "isa-serial")
    groups: tuple[Sequence[Chardev], ...] = (
        devices.serials,
        devices.parallels,
        devices.consoles,
        devices.channels,
        devices.redirdevs,
        devices.smartcards,
    )
    for serial in devices.serials:
        _fill_serial(serial, *own)
    for parallel in devices.parallels:
        # The ports of a PC are of one kind, whatever the document calls it.
        parallel.target.type = None
    for console in devices.consoles:
        console.target.type = console.target.type or "serial"
    for group in groups:
        for device in group:
            _fill_source(device)
    for rng in devices.rngs:
        _fill_source(rng.backend)


def _fill_serial(serial: Serial, kind: str, model: str) -> None:
    target = serial.target
    if target.type is None:
        target.type = kind
    if target.model.name is None:
        target.model.name = model if target.type == kind else _MODEL_OF_TARGET.get(target.type)


def _fill_source(device: Chardev | RngBackend) -> None:
    if isinstance(device, (Serial, Parallel, Console, Channel)):
        device.type = device.type or "pty"
    for source in device.sources:
        if device.type in ("unix", "tcp", "udp") and source.mode is None:
            source.mode = "connect"
        if source.reconnect is not None and source.reconnect.enabled is None:
            source.reconnect = None
        if isinstance(device, (RngBackend, Redirdev, Smartcard)):
            source.seclabels.clear()  # libvirt reads them of serial ports and their kin only
        # Nobody but SELinux knows how to skip a label, and it is not here.
        source.seclabels[:] = [label for label in source.seclabels if not label.labelskip]
    if isinstance(device, Channel) and device.type == "unix" and device.target.type == "virtio":
        # Without a path it is the driver that listens, at a path of its own.
        device.sources = [source for source in device.sources if source.path or source.seclabels]
    # Where a UDP device listens comes first.
    device.sources.sort(key=lambda source: device.type == "udp" and source.mode != "bind")
    if device.type == "tcp" and device.protocol.type is None:
        device.protocol.type = "raw"
    if not device.log.file:
        device.log = Log()
