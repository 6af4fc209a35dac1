# SPDX-License-Identifier: Apache-2.0
"""``<address type='pci' …/>``: where a device sits in the guest."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.xml.element import Element
from virloom.xml.fields import attribute, verbatim
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import ON_OFF, STRING, UINT, choice, parse_base0
from virloom.xml.node import Node

_TYPE = choice(
    "none",
    "pci",
    "drive",
    "virtio-serial",
    "ccid",
    "usb",
    "spapr-vio",
    "virtio-s390",
    "ccw",
    "virtio-mmio",
    "isa",
    "dimm",
    "unassigned",
)

# Per type: attribute → how it is written, in libvirt's order. What a type does not list is not
# written, and not read either.
_WRITTEN: dict[str, dict[str, str]] = {
    "pci": {
        "domain": "0x{:04x}",
        "bus": "0x{:02x}",
        "slot": "0x{:02x}",
        "function": "0x{:01x}",
    },
    "drive": {"controller": "{}", "bus": "{}", "target": "{}", "unit": "{}"},
    "virtio-serial": {"controller": "{}", "bus": "{}", "port": "{}"},
    "ccid": {"controller": "{}", "slot": "{}"},
    "usb": {"bus": "{}", "port": "{}"},
    "spapr-vio": {"reg": "0x{:08x}"},
    "ccw": {"cssid": "0x{:x}", "ssid": "0x{:x}", "devno": "0x{:04x}"},
    "isa": {"iobase": "0x{:x}", "irq": "0x{:x}"},
    "dimm": {"slot": "{}", "base": "0x{:x}"},
}


class Address(Element):
    """Where a device sits; which fields count depends on ``type``.

    The numbers of a PCI address, and ``controller``, ``bus``, ``target``, ``unit`` of a drive,
    are what the names say. ``port`` is a number for virtio-serial and a path (``1.2``) for USB.
    """

    type: str | None = attribute(_TYPE)
    domain: int | None = attribute(UINT)
    controller: int | None = attribute(UINT)
    bus: int | None = attribute(UINT)
    slot: int | None = attribute(UINT)
    function: int | None = attribute(UINT)
    multifunction: bool | None = attribute(ON_OFF)
    target: int | None = attribute(UINT)
    unit: int | None = attribute(UINT)
    port: str | int | None = attribute(STRING)
    reg: int | None = attribute(UINT)
    cssid: int | None = attribute(UINT)
    ssid: int | None = attribute(UINT)
    devno: int | None = attribute(UINT)
    iobase: int | None = attribute(UINT)
    irq: int | None = attribute(UINT)
    base: int | None = attribute(UINT)
    zpci: list[Node] = verbatim("zpci")

    def take_attributes(self, attributes: dict[str, str]) -> dict[str, str]:
        """The numbers of this type of address, decimal or with ``0x``."""
        numbers = _WRITTEN.get(attributes.get("type", ""), {})
        left: dict[str, str] = {}
        values = self.__dict__
        for name, text in attributes.items():
            if name not in numbers:
                left[name] = text
            elif name == "port" and attributes["type"] == "usb":
                values[name] = _usb_port(text)
            else:
                try:
                    values[name] = parse_base0(text)
                except ValueError as error:
                    raise ValueError(name, str(error)) from None
        return left

    def attribute_texts(self, flags: FormatFlags) -> Iterator[tuple[str, str]]:
        """The attributes of this type of address, in libvirt's order and bases."""
        values = self.__dict__
        kind = values.get("type")
        if kind is not None:
            yield "type", kind
        for name, form in _WRITTEN.get(kind or "", {}).items():
            value = values.get(name)
            if value is not None:
                yield name, form.format(value)
        if values.get("multifunction") is not None and kind in (None, "pci"):
            yield "multifunction", "on" if self.multifunction else "off"


def _usb_port(text: str) -> str:
    parts = text.split(".")
    if len(parts) > 4 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError("port", "a USB port such as '1' or '1.2' (at most four levels)")
    return text
