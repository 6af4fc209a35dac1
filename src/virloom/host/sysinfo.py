# SPDX-License-Identifier: Apache-2.0
"""What the host's firmware says about the host (SMBIOS), from the kernel's reading of it.

The kernel shows the tables' most used strings below ``/sys/class/dmi/id``; serial numbers and the
UUID to root only. What it does not show is left out. Element names are libvirt's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

#: Section → libvirt's name of an entry → file of the kernel.
_SECTIONS: Mapping[str, Mapping[str, str]] = {
    "bios": {
        "vendor": "bios_vendor",
        "version": "bios_version",
        "date": "bios_date",
        "release": "bios_release",
    },
    "system": {
        "manufacturer": "sys_vendor",
        "product": "product_name",
        "version": "product_version",
        "serial": "product_serial",
        "uuid": "product_uuid",
        "sku": "product_sku",
        "family": "product_family",
    },
    "baseBoard": {
        "manufacturer": "board_vendor",
        "product": "board_name",
        "version": "board_version",
        "serial": "board_serial",
        "asset": "board_asset_tag",
    },
    "chassis": {
        "manufacturer": "chassis_vendor",
        "version": "chassis_version",
        "serial": "chassis_serial",
        "asset": "chassis_asset_tag",
    },
}


def smbios(sys: str | os.PathLike[str] = "/sys") -> dict[str, dict[str, str]] | None:
    """The entries by section; empty ones are left out. None where there is no SMBIOS."""
    directory = Path(sys) / "class" / "dmi" / "id"
    found = {
        section: {
            name: value for name, file in entries.items() if (value := _text(directory / file))
        }
        for section, entries in _SECTIONS.items()
    }
    return {section: entries for section, entries in found.items() if entries} or None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # not there, or not for us to see
        return ""
