# SPDX-License-Identifier: Apache-2.0
"""What the firmware says of the host, from fake files."""

from __future__ import annotations

from pathlib import Path

from virloom.host.sysinfo import smbios


def test_what_is_there_is_told(tmp_path: Path) -> None:
    directory = tmp_path / "class/dmi/id"
    directory.mkdir(parents=True)
    for name, text in {
        "bios_vendor": "SeaBIOS\n",
        "sys_vendor": "QEMU\n",
        "product_name": "Standard PC\n",
        "product_serial": "\n",
        "chassis_type": "1\n",
    }.items():
        (directory / name).write_text(text)
    assert smbios(tmp_path) == {
        "bios": {"vendor": "SeaBIOS"},
        "system": {"manufacturer": "QEMU", "product": "Standard PC"},
    }


def test_a_host_without_smbios(tmp_path: Path) -> None:
    assert smbios(tmp_path) is None
