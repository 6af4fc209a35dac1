# SPDX-License-Identifier: Apache-2.0
"""``<address type='pci' …/>``: where a device sits in the guest."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import ON_OFF, STRING, UINT, bounded_base0, hexadecimal, option, parse_base0

_TYPE = option(
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

# Per type: attribute → how it is written and the largest value, in libvirt's order. What a type
# does not list is not written, and not read either. Formats with 0x are read in any base.
_WRITTEN: dict[str, dict[str, tuple[str, int]]] = {
    "pci": {
        "domain": ("0x{:04x}", 0xFFFF),
        "bus": ("0x{:02x}", 0xFF),
        "slot": ("0x{:02x}", 0x1F),
        "function": ("0x{:01x}", 7),
    },
    "drive": {
        "controller": ("{}", 0xFFFFFFFF),
        "bus": ("{}", 0xFFFFFFFF),
        "target": ("{}", 0xFFFFFFFF),
        "unit": ("{}", 0xFFFFFFFF),
    },
    "virtio-serial": {
        "controller": ("{}", 0xFFFFFFFF),
        "bus": ("{}", 0xFFFFFFFF),
        "port": ("{}", 0xFFFFFFFF),
    },
    "ccid": {"controller": ("{}", 0xFFFFFFFF), "slot": ("{}", 0xFFFFFFFF)},
    "usb": {"bus": ("{}", 0xFFFFFFFF), "port": ("{}", 0)},
    "spapr-vio": {"reg": ("0x{:08x}", 0xFFFFFFFFFFFFFFFF)},
    "ccw": {"cssid": ("0x{:x}", 0xFE), "ssid": ("0x{:x}", 3), "devno": ("0x{:04x}", 0xFFFF)},
    "isa": {"iobase": ("0x{:x}", 0xFFFFFFFF), "irq": ("0x{:x}", 0xFFFFFFFF)},
    "dimm": {"slot": ("{}", 0xFFFFFFFF), "base": ("0x{:x}", 0xFFFFFFFFFFFFFFFF)},
}
_NUMBERS = frozenset(name for forms in _WRITTEN.values() for name in forms)


class Zpci(Element):
    """``<zpci uid='0x0001' fid='0x00000000'/>``: what s390x calls a PCI device besides."""

    uid: int | None = attribute(hexadecimal(4))
    fid: int | None = attribute(hexadecimal(8))


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
    zpci: Zpci | None = child(Zpci)

    def take_attributes(self, attributes: dict[str, str]) -> dict[str, str]:
        """The numbers of this type of address, decimal or with ``0x``."""
        numbers = _WRITTEN.get(attributes.get("type", ""), {})
        left: dict[str, str] = {}
        values = self.__dict__
        for name, text in attributes.items():
            if name not in numbers:
                # What belongs to another type of address is nothing here, as in libvirt.
                if name not in _NUMBERS:
                    left[name] = text
            elif name == "port" and attributes["type"] == "usb":
                values[name] = _usb_port(text)
            else:
                try:
                    values[name] = _number(text, *numbers[name])
                except ValueError as error:
                    if attributes["type"] == "pci" and _is_too_large(name, text):
                        raise ValueError(name, str(error), ErrorDomain.NONE) from None
                    raise ValueError(name, str(error)) from None
        return left

    def attribute_texts(self, flags: FormatFlags) -> Iterator[tuple[str, str]]:
        """The attributes of this type of address, in libvirt's order and bases."""
        values = self.__dict__
        kind = values.get("type")
        if kind is not None:
            yield "type", kind
        for name, (form, _) in _WRITTEN.get(kind or "", {}).items():
            value = values.get(name)
            if value is not None:
                yield name, form.format(value)
        if values.get("multifunction") is not None and kind in (None, "pci"):
            yield "multifunction", "on" if self.multifunction else "off"


def _is_too_large(name: str, text: str) -> bool:
    """Whether it is a number: one too large for a place on PCI, which is nobody's error."""
    try:
        parse_base0(text)
    except ValueError:
        return False
    return name in ("bus", "slot")


def _usb_port(text: str) -> str:
    parts = text.split(".")
    if len(parts) > 4 or not all(
        part.isascii() and part.isdigit() and len(part) < 11 and int(part) < 1 << 32
        for part in parts
    ):
        raise InternalError(
            f"'{text[:80]}' of an <address> is no USB port such as '1' or '1.2'"
            " (at most four levels)",
            domain=ErrorDomain.DEVICE,
        )
    return text


def _number(text: str, form: str, top: int) -> int:
    if form != "{}":
        return bounded_base0(top)(text)
    assert UINT.parse is not None
    return UINT.parse(text)
