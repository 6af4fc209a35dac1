# SPDX-License-Identifier: Apache-2.0
"""``<redirdev>`` and ``<redirfilter>``: USB devices of somebody who is connected."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, VirloomError, XmlError
from virloom.model.domain.devices.chardev import Chardev
from virloom.model.domain.devices.device import BOOT, Boot
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import UINT, YES_NO, bounded_base0, option


class Redirdev(Chardev):
    """``<redirdev bus='usb' type='spicevmc'>``."""

    tag = "redirdev"
    schema_path = "domain/devices/redirdev"

    bus: str | None = attribute(option("usb"), order=-1)
    boot: Boot | None = child(Boot, order=BOOT)


class RedirUsbdev(Element):
    """``<usbdev class='0x08' vendor='0x1234' product='0xBEEF' version='2.56' allow='yes'/>``.

    ``version`` is binary coded decimal, as USB has it: 0x0256 for 2.56. None stands for all.
    """

    usb_class: int | None = attribute(UINT, "class")
    vendor: int | None = attribute(UINT)
    product: int | None = attribute(UINT)
    version: int | None = None
    allow: bool | None = attribute(YES_NO)

    def take_attributes(self, attributes: dict[str, str]) -> dict[str, str]:
        """The numbers, where ``-1`` stands for all."""
        rest = dict(attributes)
        for name, field, read, error in _NUMBERS:
            text = rest.pop(name, "-1")
            if text == "-1":
                continue
            try:
                setattr(self, field, read(text))
            except ValueError as wrong:
                raise error(
                    f"{name} '{text[:80]}' of a USB device is not {wrong}",
                    domain=ErrorDomain.DOMAIN,
                ) from None
        return rest

    def attribute_texts(self, flags: FormatFlags) -> Iterator[tuple[str, str]]:
        """In libvirt's order and bases."""
        if self.usb_class is not None:
            yield "class", f"0x{self.usb_class:02X}"
        if self.vendor is not None:
            yield "vendor", f"0x{self.vendor:04X}"
        if self.product is not None:
            yield "product", f"0x{self.product:04X}"
        if self.version is not None:
            yield "version", f"{self.version >> 8:x}.{self.version & 0xFF:02x}"
        if self.allow is not None:
            yield "allow", "yes" if self.allow else "no"


def _version(text: str) -> int:
    """``2.5`` is 0x0250, as USB counts."""
    major, dot, minor = text.partition(".")
    digits = major.isascii() and major.isdigit() and (dot and minor.isascii() and minor.isdigit())
    if not digits or len(major) > 2 or len(minor) > 2:
        raise ValueError("a USB version such as '2.00'")
    return int(f"{major}{minor.ljust(2, '0')}", 16)


_NUMBERS: tuple[tuple[str, str, Callable[[str], int], type[VirloomError]], ...] = (
    ("class", "usb_class", bounded_base0(0xFF), InternalError),
    ("vendor", "vendor", bounded_base0(0xFFFF), InternalError),
    ("product", "product", bounded_base0(0xFFFF), InternalError),
    ("version", "version", _version, XmlError),
)


class Redirfilter(Element):
    """``<redirfilter>``: the first rule that fits a device decides."""

    usbdevs: list[RedirUsbdev] = children(RedirUsbdev, "usbdev")
