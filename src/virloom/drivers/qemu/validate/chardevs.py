# SPDX-License-Identifier: Apache-2.0
"""Checks of serial ports, consoles and channels."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterator
from itertools import chain

from virloom.drivers.qemu.devices.boards import board, is_ccw
from virloom.drivers.qemu.validate.identity import check_source_labels
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, InvalidArg, XmlError
from virloom.model.domain import (
    Channel,
    ChannelTarget,
    Chardev,
    Console,
    Domain,
    Parallel,
    RngBackend,
    Serial,
)

_NEEDS_PATH = ("file", "dev", "pipe")
_NEEDS_CHANNEL = ("spiceport", "dbus")
_NEEDS_SPICE = ("spicevmc", "spiceport")
_CHANNEL_NAME = re.compile(r"[A-Za-z0-9._-]+")
_SERIAL_TARGETS = (
    "isa-serial",
    "usb-serial",
    "pci-serial",
    "spapr-vio-serial",
    "system-serial",
    "sclp-serial",
    "isa-debug",
)
_SERIAL_MODELS = {
    "isa-serial": ("isa-serial",),
    "usb-serial": ("usb-serial",),
    "pci-serial": ("pci-serial",),
    "isa-debug": ("isa-debugcon",),
}
_CONSOLE_TARGETS = ("serial", "xen", "uml", "virtio", "lxc", "openvz", "sclp", "sclplm")
_CHANNEL_TARGETS = ("guestfwd", "virtio", "xen")
_PORTS = (Serial, Parallel, Console)
_ISA_PORTS = 4
_FORWARDED_VERSION = 4


def check_given_chardevs(dom: Domain) -> None:
    """Targets and sources as the document has them."""
    devices = dom.devices
    for group in (devices.serials, devices.parallels, devices.consoles, devices.channels):
        for device in group:
            _source(device)
    for redirected in chain(devices.redirdevs, devices.smartcards):
        _source(redirected)
    for rng in devices.rngs:
        _source(rng.backend)
    _serial_targets(dom)
    for number, console in enumerate(devices.consoles):
        _target(console.target.type, _CONSOLE_TARGETS, "console")
        if number and console.target.type in (None, "serial"):
            raise ConfigUnsupported(
                "only the first console can be a serial port", domain=ErrorDomain.DOMAIN
            )
    for channel in devices.channels:
        _channel(channel)


def _target(given: str | None, known: tuple[str, ...], what: str) -> None:
    if given is not None and given not in known:
        raise ConfigUnsupported(
            f"no {what} has a target of type '{given}'; there are {', '.join(known)}",
            domain=ErrorDomain.DOMAIN,
        )


def _serial_targets(dom: Domain) -> None:
    ports: set[int] = set()
    for serial in dom.devices.serials:
        target = serial.target
        _target(target.type, _SERIAL_TARGETS, "serial port")
        if target.type != "isa-serial" or target.port is None:
            continue
        if target.port >= _ISA_PORTS:
            raise InternalError(
                f"ISA serial ports are 0 to {_ISA_PORTS - 1}, not {target.port}",
                domain=ErrorDomain.DOMAIN,
            )
        if target.port in ports:
            raise InternalError(
                f"two serial ports have number {target.port}", domain=ErrorDomain.DOMAIN
            )
        ports.add(target.port)


def _channel(channel: Channel) -> None:
    if channel.target.type is None:
        raise XmlError("a channel has no target type", domain=ErrorDomain.DOMAIN)
    target = channel.target
    _target(target.type, _CHANNEL_TARGETS, "channel")
    if target.type == "guestfwd":
        _forwarding(target)


def _forwarding(target: ChannelTarget) -> None:
    if target.port is None or target.address is None:
        raise XmlError(
            "a guestfwd channel has both an address and a port", domain=ErrorDomain.DOMAIN
        )
    try:
        version = ipaddress.ip_address(target.address).version
    except ValueError as error:
        raise XmlError(
            f"'{target.address}' of a guestfwd channel is no address", domain=ErrorDomain.DOMAIN
        ) from error
    if version != _FORWARDED_VERSION:
        raise ConfigUnsupported(
            f"a guestfwd channel has an IPv4 address, not '{target.address}'",
            domain=ErrorDomain.DOMAIN,
        )


def _source(device: Chardev | RngBackend) -> None:
    kind = device.type
    for message in chain(_incomplete(device), _reconnecting(device)):
        raise InternalError(
            f"a character device of type '{kind}' {message}", domain=ErrorDomain.DOMAIN
        )
    if kind != "udp" and len(device.sources) > 1:
        raise XmlError(
            f"a character device of type '{kind}' has one source", domain=ErrorDomain.DOMAIN
        )
    for source in device.sources:
        check_source_labels(source.seclabels)
        reconnect = source.reconnect
        if reconnect is not None and reconnect.enabled and reconnect.timeout is None:
            raise XmlError("<reconnect> that is enabled has no timeout", domain=ErrorDomain.XML)
    if kind in _NEEDS_CHANNEL:
        _named(device)
    if kind == "spicevmc" and isinstance(device, _PORTS):
        raise ConfigUnsupported(
            "a character device of type 'spicevmc' is a virtio channel", domain=ErrorDomain.DOMAIN
        )


def _incomplete(device: Chardev | RngBackend) -> Iterator[str]:
    kind, sources = device.type, device.sources
    named = kind in _NEEDS_PATH or (kind == "unix" and not isinstance(device, Channel))
    if named and not any(source.path for source in sources):
        yield "has no source path"
    if kind == "nmdm" and not any(source.master and source.slave for source in sources):
        yield "has no source master or no source slave"
    if kind == "tcp":
        if not any(source.host for source in sources):
            yield "has no source host"
        if not any(source.service for source in sources):
            yield "has no source service"
    if kind == "udp" and not any(s.service for s in sources if s.mode in ("connect", None)):
        yield "has no source service to send to"


def _reconnecting(device: Chardev | RngBackend) -> Iterator[str]:
    for source in device.sources:
        if source.reconnect is not None and source.reconnect.enabled and source.mode == "bind":
            yield "connects again only where it connects"


def _named(device: Chardev | RngBackend) -> None:
    name = next((source.channel for source in device.sources if source.channel), None)
    if name is None:
        raise ConfigUnsupported(
            f"a character device of type '{device.type}' has no source channel",
            domain=ErrorDomain.DOMAIN,
        )
    if not _CHANNEL_NAME.fullmatch(name):
        raise InvalidArg(
            f"source channel '{name}' has characters other than letters, digits and .-_",
            domain=ErrorDomain.DOMAIN,
        )


def _reconnect_time(device: Chardev | RngBackend) -> None:
    for source in device.sources:
        reconnect = source.reconnect
        if reconnect is not None and reconnect.enabled and reconnect.timeout == 0:
            raise InvalidArg(
                f"a character device of type '{device.type}' cannot connect again after 0 seconds",
                domain=ErrorDomain.QEMU,
            )


def check_chardevs(dom: Domain) -> None:
    """What x86 machines do not have, and what needs a display that is not there."""
    devices = dom.devices
    kinds = {graphics.type for graphics in devices.graphics}
    ports: itertools.chain[Chardev] = itertools.chain(
        devices.serials,
        devices.parallels,
        devices.consoles,
        devices.channels,
        devices.redirdevs,
        devices.smartcards,
    )
    every: itertools.chain[Chardev | RngBackend] = itertools.chain(
        ports, (rng.backend for rng in devices.rngs)
    )
    for port in every:
        if port.type in _NEEDS_SPICE and "spice" not in kinds:
            raise ConfigUnsupported(
                f"a character device of type '{port.type}' needs a display of type 'spice'",
                domain=ErrorDomain.QEMU,
            )
        _reconnect_time(port)
    for serial in dom.devices.serials:
        _serial_model(dom, serial)
    for console in dom.devices.consoles:
        sclp = is_ccw(dom) and console.target.type in ("sclp", "sclplm")
        if console.target.type not in ("serial", "virtio") and not sclp:
            raise ConfigUnsupported(
                f"this machine has no console of type '{console.target.type}'; it has serial "
                "and virtio",
                domain=ErrorDomain.QEMU,
            )


def _own_models(dom: Domain) -> dict[str, tuple[str, ...]]:
    """Serial ports of the machine's own."""
    own = board(dom).serial
    if is_ccw(dom):
        return {"sclp-serial": ("sclpconsole", "sclplmconsole")}
    return {own[0]: (own[1],)} if own is not None else {}


def _serial_model(dom: Domain, serial: Serial) -> None:
    kind, model = serial.target.type or "", serial.target.model.name
    known = {**_SERIAL_MODELS, **_own_models(dom)}.get(kind)
    if known is None:
        raise ConfigUnsupported(
            f"this machine has no serial port of type '{kind}'; it has {', '.join(_SERIAL_MODELS)}",
            domain=ErrorDomain.QEMU,
        )
    if model not in known:
        raise ConfigUnsupported(
            f"a serial port of type '{kind}' has model '{known[0]}', not '{model}'",
            domain=ErrorDomain.QEMU,
        )
