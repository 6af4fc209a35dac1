# SPDX-License-Identifier: Apache-2.0
"""Checks of serial ports, consoles and channels."""

from __future__ import annotations

from virloom.drivers.qemu.devices.boards import board, is_ccw
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, XmlError
from virloom.model.domain import Channel, Chardev, Domain, Serial

_NEEDS_PATH = ("file", "dev", "pipe")
_NEEDS_HOST = ("tcp", "udp")
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
_ISA_PORTS = 4


def check_given_chardevs(dom: Domain) -> None:
    """Targets and sources as the document has them."""
    devices = dom.devices
    for group in (devices.serials, devices.parallels, devices.consoles, devices.channels):
        for device in group:
            _source(device)
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
    _target(channel.target.type, _CHANNEL_TARGETS, "channel")


def _source(device: Chardev) -> None:
    kind, sources = device.type, device.sources
    if kind in _NEEDS_PATH and not any(source.path for source in sources):
        raise InternalError(
            f"a character device of type '{kind}' has no source path", domain=ErrorDomain.DOMAIN
        )
    if kind in _NEEDS_HOST:
        listening = all(source.mode == "bind" for source in sources) and sources
        if not listening and not any(s.host for s in sources if s.mode != "bind"):
            raise InternalError(
                f"a character device of type '{kind}' has no source host",
                domain=ErrorDomain.DOMAIN,
            )
        if not any(source.service for source in sources):
            raise InternalError(
                f"a character device of type '{kind}' has no source service",
                domain=ErrorDomain.DOMAIN,
            )


def check_chardevs(dom: Domain) -> None:
    """What x86 machines do not have."""
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
