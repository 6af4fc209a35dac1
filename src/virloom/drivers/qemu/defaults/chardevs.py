# SPDX-License-Identifier: Apache-2.0
"""Defaults of serial ports, consoles and channels."""

from __future__ import annotations

from virloom.model.domain import (
    Chardev,
    Console,
    ConsoleTarget,
    Domain,
    Serial,
    SerialTarget,
    TargetModel,
)

_MODEL_OF_TARGET = {
    "isa-serial": "isa-serial",
    "usb-serial": "usb-serial",
    "pci-serial": "pci-serial",
}


def pair_console(dom: Domain) -> None:
    """The first console and the first serial port are the same thing, told twice."""
    devices = dom.devices
    consoles, serials = devices.consoles, devices.serials
    if consoles and consoles[0].target.type in (None, "serial"):
        console = consoles[0]
        if not serials:
            serial = Serial(target=SerialTarget(type="isa-serial", port=0))
            serial.target.model = TargetModel(name="isa-serial")
            _mirror(console, serial)
            serial.address = console.address
            serials.append(serial)
        _mirror(serials[0], console)
        console.target.type = "serial"
        console.target.port = 0
        console.address = None
    elif not consoles and serials and serials[0].target.type == "isa-serial":
        console = Console(target=ConsoleTarget(type="serial", port=0))
        _mirror(serials[0], console)
        consoles.append(console)


def _mirror(source: Chardev, copy: Chardev) -> None:
    copy.type = source.type
    copy.sources = [item.copy() for item in source.sources]
    copy.protocol = source.protocol.copy()
    copy.log = source.log.copy()
    copy.alias = source.alias.copy() if source.alias is not None else None


def fill_chardevs(dom: Domain) -> None:
    """Port numbers, targets and modes."""
    devices = dom.devices
    groups = (devices.serials, devices.parallels, devices.consoles)
    for targets in ([device.target for device in group] for group in groups):
        for target in targets:
            if target.port is None:
                used = {other.port for other in targets}
                target.port = next(n for n in range(len(used) + 1) if n not in used)
    for serial in devices.serials:
        _fill_serial(serial)
    for console in devices.consoles:
        console.target.type = console.target.type or "serial"
    for kind in (*groups, devices.channels):
        for device in kind:
            _fill_source(device)


def _fill_serial(serial: Serial) -> None:
    target = serial.target
    if target.type is None:
        address = serial.address
        kind = address.type if address is not None else None
        target.type = {"usb": "usb-serial", "pci": "pci-serial"}.get(kind or "", "isa-serial")
    if target.model.name is None:
        target.model.name = _MODEL_OF_TARGET.get(target.type)


def _fill_source(device: Chardev) -> None:
    for source in device.sources:
        if device.type in ("unix", "tcp", "udp") and source.mode is None:
            source.mode = "bind" if device.type == "unix" else "connect"
    if device.type == "tcp" and device.protocol.type is None:
        device.protocol.type = "raw"
