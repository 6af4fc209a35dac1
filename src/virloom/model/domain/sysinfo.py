# SPDX-License-Identifier: Apache-2.0
"""``<sysinfo>``: what SMBIOS tables and firmware configuration tell the guest."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, children, content, group
from virloom.xml.kinds import STRING, choice

#: Names of the entries of each SMBIOS block, in their order.
BIOS_ENTRIES = ("vendor", "version", "date", "release")
SYSTEM_ENTRIES = ("manufacturer", "product", "version", "serial", "uuid", "sku", "family")
BOARD_ENTRIES = ("manufacturer", "product", "version", "serial", "asset", "location")
CHASSIS_ENTRIES = ("manufacturer", "version", "serial", "asset", "sku")


class SmbiosEntry(Element):
    """``<entry name='vendor'>LENOVO</entry>``."""

    name: str | None = attribute(STRING)
    value: str | None = content(STRING)


class SmbiosBlock(Element):
    """One table: ``<bios>``, ``<system>``, ``<baseBoard>`` or ``<chassis>``."""

    entries: list[SmbiosEntry] = children(SmbiosEntry, "entry")


class OemString(Element):
    """``<entry>text</entry>``."""

    empty = "text"
    value: str | None = content(STRING)


class OemStrings(Element):
    """``<oemStrings>``."""

    entries: list[OemString] = children(OemString, "entry")


class FwcfgEntry(Element):
    """``<entry name='opt/com.example/name' file='/path'>value</entry>``."""

    name: str | None = attribute(STRING)
    file: str | None = attribute(STRING)
    value: str | None = content(STRING)


class Sysinfo(Element):
    """``<sysinfo type='smbios'>`` or ``<sysinfo type='fwcfg'>``."""

    type: str | None = attribute(choice("smbios", "fwcfg"), required=True)
    bios: SmbiosBlock = group(SmbiosBlock)
    system: SmbiosBlock = group(SmbiosBlock)
    base_boards: list[SmbiosBlock] = children(SmbiosBlock, "baseBoard")
    chassis: SmbiosBlock = group(SmbiosBlock)
    oem_strings: OemStrings = group(OemStrings, "oemStrings")
    entries: list[FwcfgEntry] = children(FwcfgEntry, "entry")
