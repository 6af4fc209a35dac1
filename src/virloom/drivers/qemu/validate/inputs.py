# SPDX-License-Identifier: Apache-2.0
"""Checks of input devices and USB hubs."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, XmlError
from virloom.model.domain import Domain, Input

_PS2 = ("mouse", "keyboard")


def check_given_inputs(dom: Domain) -> None:
    """Input devices and hubs as the document has them.

    Raises:
        InternalError: A type is missing or its bus does not have it (libvirt's code for both).
        ConfigUnsupported: A bus or an option that goes with another kind.
        XmlError: An address that its bus does not have.
    """
    for hub in dom.devices.hubs:
        if hub.type is None:
            raise InternalError("a hub has no type", domain=ErrorDomain.DOMAIN)
    for device in dom.devices.inputs:
        for message in _impossible(device):
            raise InternalError(f"input device: {message}", domain=ErrorDomain.DOMAIN)
        if _without_path(device):
            raise XmlError(f"input device '{device.type}' has no path", domain=ErrorDomain.DOMAIN)
        for message in _unsupported(device):
            raise ConfigUnsupported(
                f"input device '{device.type}': {message}", domain=ErrorDomain.DOMAIN
            )
        kind = device.address.type if device.address is not None else None
        if device.bus == "usb" and kind not in (None, "usb"):
            raise XmlError(
                f"a USB input device has no address of type '{kind}'", domain=ErrorDomain.DOMAIN
            )


def _impossible(device: Input) -> Iterator[str]:
    if device.type is None:
        yield "no type"
    if device.bus == "ps2" and device.type not in _PS2:
        yield f"bus 'ps2' has no {device.type}; it has {', '.join(_PS2)}"
    if device.bus == "xen":
        yield "QEMU has no input bus 'xen'; it has ps2, usb and virtio"


def _without_path(device: Input) -> bool:
    """Whether there is a <source> that says nothing."""
    source = device.source
    if source is None:
        return False
    return not (source.evdev if device.type == "passthrough" else source.dev or source.evdev)


def _unsupported(device: Input) -> Iterator[str]:
    if device.type == "passthrough" and device.bus != "virtio":
        yield f"it is on bus 'virtio', not '{device.bus}'"
    if device.type == "evdev" and device.bus is not None:
        yield "it has no bus"
    if device.bus != "virtio" and device.model is not None:
        yield f"model '{device.model}' is for bus 'virtio'"


def check_inputs(dom: Domain) -> None:
    """What QEMU does not have.

    Raises:
        ConfigUnsupported: A variant of virtio that only other devices come in.
    """
    for device in dom.devices.inputs:
        if device.model not in (None, "virtio") and device.type != "passthrough":
            raise ConfigUnsupported(
                f"input device '{device.type}' does not come as '{device.model}'",
                domain=ErrorDomain.QEMU,
            )
