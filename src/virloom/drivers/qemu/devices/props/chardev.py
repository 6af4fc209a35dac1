# SPDX-License-Identifier: Apache-2.0
"""The devices that a guest sees for serial and parallel ports, consoles and channels."""

from __future__ import annotations

import socket

from virloom.drivers.qemu.devices.props.address import Buses, Props, alias_of
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError
from virloom.model.domain import Channel, Console, Parallel, Serial

_SERIAL_MODELS = (
    "isa-serial",
    "pci-serial",
    "usb-serial",
    "isa-debugcon",
    "spapr-vty",
    "sclpconsole",
    "sclplmconsole",
)


def chardev_id(alias: str) -> str:
    """QEMU's id of the back end of the character device *alias*."""
    return f"char{alias}"


def serial_device(serial: Serial, buses: Buses) -> Props:
    """Properties of a serial port.

    Raises:
        ConfigUnsupported: A model that this architecture does not have.
    """
    alias = alias_of(serial, "serial port")
    target = serial.target
    model = target.model.name or target.type or "isa-serial"
    if model not in _SERIAL_MODELS:
        raise ConfigUnsupported(
            f"serial port model '{model}' is not supported; known: " + ", ".join(_SERIAL_MODELS)
        )
    props: Props = {"driver": model, "chardev": chardev_id(alias), "id": alias}
    if model == "isa-serial":
        props["index"] = target.port or 0
    props.update(buses.place(serial, alias))
    return props


def parallel_device(parallel: Parallel) -> Props:
    """Properties of a parallel port."""
    alias = alias_of(parallel, "parallel port")
    # QEMU puts it where the board has its parallel ports, as libvirt leaves it.
    return {"driver": "isa-parallel", "chardev": chardev_id(alias), "id": alias}


def console_device(console: Console, buses: Buses) -> Props:
    """Properties of a virtio console; one that mirrors a serial port has no device.

    Raises:
        ConfigUnsupported: Another kind of console.
        InternalError: An address that is no virtio port.
    """
    alias = alias_of(console, "console")
    if console.target.type in ("sclp", "sclplm"):
        driver = f"{console.target.type}console"
        return {"driver": driver, "chardev": chardev_id(alias), "id": alias}
    if console.target.type != "virtio":
        raise ConfigUnsupported(f"console target type '{console.target.type}' is not supported")
    address = console.address
    if address is not None and address.type not in (None, "none", "virtio-serial"):
        raise InternalError(
            f"'{alias}' has an address of type '{address.type}', which no virtio console can have",
            domain=ErrorDomain.QEMU,
        )
    place = buses.place(console, alias)
    return {"driver": "virtconsole", **place, "chardev": chardev_id(alias), "id": alias}


def channel_device(channel: Channel, buses: Buses) -> Props:
    """Properties of a virtio port.

    Raises:
        ConfigUnsupported: A target that is no virtio port.
    """
    alias = alias_of(channel, "channel")
    target = channel.target
    if target.type != "virtio":
        raise ConfigUnsupported(f"channel target type '{target.type}' has no device of its own")
    props: Props = {"driver": "virtserialport", **buses.place(channel, alias)}
    props.update({"chardev": chardev_id(alias), "id": alias})
    if target.name is not None:
        props["name"] = target.name
    elif channel.type == "spicevmc":
        props["name"] = "com.redhat.spice.0"
    return props


def guestfwd_backend(channel: Channel) -> Props:
    """The user-mode network that brings a guest's connection to the channel.

    Raises:
        ConfigUnsupported: The document names no address or port within the guest's network.
    """
    alias = alias_of(channel, "channel")
    target = channel.target
    # The address goes into a string that could as well name a command for QEMU to run.
    try:
        socket.inet_pton(socket.AF_INET, target.address or "")
    except OSError as error:
        raise ConfigUnsupported(
            f"channel '{alias}' forwards '{target.address}', which is no IPv4 address"
        ) from error
    if target.port is None:
        raise ConfigUnsupported(f"channel '{alias}' forwards no port")
    forward = f"tcp:{target.address}:{target.port}-chardev:{chardev_id(alias)}"
    return {"type": "user", "guestfwd": [{"str": forward}], "id": alias}
