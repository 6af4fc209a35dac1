# SPDX-License-Identifier: Apache-2.0
"""Keyboards, mice and tablets."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import (
    Buses,
    Props,
    alias_of,
    virtio_driver,
    virtio_options,
)
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Input

_USB = {"tablet": "usb-tablet", "mouse": "usb-mouse", "keyboard": "usb-kbd"}
_VIRTIO = {"tablet": "virtio-tablet", "mouse": "virtio-mouse", "keyboard": "virtio-keyboard"}


def input_device(device: Input, buses: Buses) -> Props | None:
    """Properties of the device; None for PS/2, which is part of the machine.

    Raises:
        ConfigUnsupported: A bus or type that is not supported.
    """
    if device.bus == "ps2":
        return None
    alias = alias_of(device, f"input device '{device.type}'")
    kind = device.type or ""
    if device.bus == "usb" and kind in _USB:
        return {"driver": _USB[kind], "id": alias, **buses.place(device.address, alias)}
    if device.bus == "virtio" and kind in _VIRTIO:
        props: Props = {"driver": virtio_driver(_VIRTIO[kind], device.model, device.address)}
        props.update(virtio_options(device.driver))
        return {**props, "id": alias, **buses.place(device.address, alias)}
    raise ConfigUnsupported(f"input device '{kind}' on bus '{device.bus}' is not supported")
