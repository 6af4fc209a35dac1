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
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError
from virloom.model.domain import Input

_USB = {"tablet": "usb-tablet", "mouse": "usb-mouse", "keyboard": "usb-kbd"}
_VIRTIO = {"tablet": "virtio-tablet", "mouse": "virtio-mouse", "keyboard": "virtio-keyboard"}


def input_device(device: Input, buses: Buses) -> Props | None:
    """Properties of the device; None for what is part of the machine or no device of it.

    Raises:
        ConfigUnsupported: A bus or type that is not supported.
    """
    if device.type is not None and device.bus in (None, "ps2", "parallels"):
        return None
    alias = alias_of(device, f"input device '{device.type}'")
    kind = device.type or ""
    if device.bus == "usb" and kind in _USB:
        return {"driver": _USB[kind], "id": alias, **buses.place(device, alias)}
    if device.bus == "virtio" and kind in _VIRTIO:
        props: Props = {"driver": virtio_driver(_VIRTIO[kind], device.model, device.address)}
        props.update(virtio_options(device.driver))
        return {**props, "id": alias, **buses.place(device, alias)}
    if device.bus == "virtio" and kind == "passthrough":
        driver = virtio_driver("virtio-input-host", device.model, device.address)
        props = {"driver": driver, **virtio_options(device.driver), "id": alias}
        if device.source is not None and device.source.evdev is not None:
            props["evdev"] = device.source.evdev
        return {**props, **buses.place(device, alias)}
    raise ConfigUnsupported(f"input device '{kind}' on bus '{device.bus}' is not supported")


def evdev_object(device: Input) -> Props:
    """Properties of the object that reads a host's input device for the whole guest.

    Raises:
        InternalError: The document names no device (libvirt's code for it).
    """
    alias = alias_of(device, "input device 'evdev'")
    source = device.source
    if source is None or source.dev is None:
        raise InternalError(f"input device '{alias}' names no device", domain=ErrorDomain.QEMU)
    props: Props = {"qom-type": "input-linux", "id": alias, "evdev": source.dev}
    if source.repeat is not None:
        props["repeat"] = source.repeat
    if source.grab == "all":
        props["grab_all"] = True
    if source.grab_toggle is not None:
        props["grab-toggle"] = source.grab_toggle
    return props
