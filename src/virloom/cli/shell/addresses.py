# SPDX-License-Identifier: Apache-2.0
"""Addresses of devices on the command line, such as ``pci:0000.00.1a.1`` or ``scsi:0.0.1``."""

from __future__ import annotations

import re

from virloom.cli.shell.failure import CommandFailed
from virloom.xml import Node

_HEX = re.compile(r"\s*\+?(?:0[xX])?([0-9a-fA-F]+)")
_DECIMAL = re.compile(r"\s*\+?([0-9]+)")

_DRIVE = ("controller", "bus", "unit")
_KINDS = {
    "pci": ("pci", _HEX, ("domain", "bus", "slot", "function"), (4, 2, 2, 1)),
    "ccw": ("ccw", _HEX, ("cssid", "ssid", "devno"), (1, 1, 4)),
    "scsi": ("drive", _DECIMAL, _DRIVE, ()),
    "ide": ("drive", _DECIMAL, _DRIVE, ()),
    "sata": ("drive", _DECIMAL, _DRIVE, ()),
    "usb": ("usb", _DECIMAL, ("bus", "port"), ()),
}

#: What a disk's address may be, by the start of its target's name.
_BUSES = {
    "vd": (("pci", "ccw"), "a pci:0000.00.00.00 or ccw:00.0.0000"),
    "sd": (("scsi", "usb", "sata"), "a scsi:00.00.00 or usb:00.00 or sata:00.00.00"),
    "hd": (("ide",), "an ide:00.00.00"),
}


def disk_address(text: str, target: str, *, multifunction: bool) -> Node:
    """The element of a disk's address.

    Raises:
        CommandFailed: It is none, or not one for that target.
    """
    prefix, _, rest = text.partition(":")
    if prefix not in _KINDS:
        raise CommandFailed("Invalid address.")
    node = _element(prefix, rest)
    allowed, expected = _BUSES.get(target[:2], (tuple(_KINDS), ""))
    if prefix not in allowed:
        raise CommandFailed(f"expecting {expected} address.")
    if prefix == "pci" and multifunction:
        node.attributes["multifunction"] = "on"
    return node


def _element(prefix: str, text: str) -> Node:
    kind, number, names, widths = _KINDS[prefix]
    node = Node("address", {"type": kind})
    at = 0
    for place, name in enumerate(names):
        found = number.match(text, at)
        if found is None:
            raise CommandFailed("Invalid address.")
        digits = found[1]
        node.attributes[name] = (
            f"0x{int(digits, 16):0{widths[place]}x}" if number is _HEX else str(int(digits))
        )
        # Whatever one character it is that parts the numbers.
        at = found.end() + 1
    return node


_PCI = re.compile(r"([0-9a-fA-F]+):([0-9a-fA-F]+):([0-9a-fA-F]+)\.([0-9a-fA-F]+)")


def host_pci_address(text: str) -> Node:
    """The address of a device of the host, as ``lspci -D`` writes it."""
    if _PCI.fullmatch(text) is None:
        raise CommandFailed(f"cannot parse pci address '{text}' for network interface")
    return _element("pci", text)
