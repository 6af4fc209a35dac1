# SPDX-License-Identifier: Apache-2.0
"""``<input>``: keyboards, mice and tablets."""

from __future__ import annotations

from virloom.model.domain.devices.device import Device, VirtioOptions
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, group
from virloom.xml.kinds import ON_OFF, STRING, choice, option


class InputSource(Element):
    """``<source evdev='/dev/input/event3'/>`` of a passed-through device."""

    evdev: str | None = attribute(STRING)
    dev: str | None = attribute(STRING)
    grab: str | None = attribute(choice("all"))
    grab_toggle: str | None = attribute(
        choice("ctrl-ctrl", "alt-alt", "shift-shift", "meta-meta", "scrolllock", "ctrl-scrolllock"),
        "grabToggle",
    )
    repeat: bool | None = attribute(ON_OFF)


class Input(Device):
    """``<input type='tablet' bus='usb'/>``."""

    tag = "input"
    schema_path = "domain/devices/input"

    type: str | None = attribute(option("mouse", "tablet", "keyboard", "passthrough", "evdev"))
    bus: str | None = attribute(option("ps2", "usb", "xen", "parallels", "virtio", "none"))
    model: str | None = attribute(
        option("virtio", "virtio-transitional", "virtio-non-transitional")
    )
    driver: VirtioOptions = group(VirtioOptions)
    source: InputSource | None = child(InputSource)

    @property
    def path(self) -> str | None:
        """The host's device that it stands for, where it does."""
        return (self.source.evdev or self.source.dev) if self.source is not None else None
