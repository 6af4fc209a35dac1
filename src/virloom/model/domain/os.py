# SPDX-License-Identifier: Apache-2.0
"""``<os>``: machine type, firmware, direct kernel and boot order."""

from __future__ import annotations

from virloom.model.domain.devices.disk_source import DiskSource
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, content, group, leaf, leaves
from virloom.xml.kinds import INT, STRING, UINT, YES_NO, choice, lenient, option


class OsType(Element):
    """``<type arch='x86_64' machine='q35'>hvm</type>``."""

    arch: str | None = attribute(STRING)
    machine: str | None = attribute(STRING)
    value: str | None = content(STRING)


class FirmwareFeature(Element):
    """``<feature enabled='yes' name='secure-boot'/>``."""

    enabled: bool | None = attribute(YES_NO, required=True)
    name: str | None = attribute(choice("enrolled-keys", "secure-boot"), required=True)


class Firmware(Element):
    """``<firmware>``: what a chosen firmware must or must not have."""

    features: list[FirmwareFeature] = children(FirmwareFeature, "feature")


class Loader(Element):
    """``<loader readonly='yes' secure='no' type='pflash'>PATH</loader>``."""

    readonly: bool | None = attribute(YES_NO)
    secure: bool | None = attribute(YES_NO)
    type: str | None = attribute(choice("rom", "pflash"))
    stateless: bool | None = attribute(YES_NO)
    value: str | None = content(STRING)


class Nvram(Element):
    """``<nvram template='PATH'>PATH</nvram>``: the variables of the firmware."""

    template: str | None = attribute(STRING)
    type: str | None = attribute(
        choice("block", "file", "dir", "network", "volume", "nvme", "vhostuser")
    )
    value: str | None = content(STRING)
    source: DiskSource | None = child(DiskSource)


class InitEnvironment(Element):
    """``<initenv name='X'>y</initenv>`` of a container."""

    name: str | None = attribute(STRING)
    value: str | None = content(STRING)


class AcpiTable(Element):
    """``<table type='slic'>PATH</table>``."""

    type: str | None = attribute(STRING)
    value: str | None = content(STRING)


class OsAcpi(Element):
    """``<acpi>``: tables that the guest finds besides the machine's own."""

    tables: list[AcpiTable] = children(AcpiTable, "table")


class BootDevice(Element):
    """``<boot dev='hd'/>``."""

    dev: str | None = attribute(choice("fd", "cdrom", "hd", "network"), required=True)


class BootMenu(Element):
    """``<bootmenu enable='yes' timeout='3000'/>``, the time in milliseconds."""

    enable: bool | None = attribute(YES_NO)
    timeout: int | None = attribute(UINT)


class Bios(Element):
    """``<bios useserial='yes' rebootTimeout='0'/>``, the time in milliseconds, -1 for never."""

    useserial: bool | None = attribute(lenient(YES_NO))
    reboot_timeout: int | None = attribute(INT, "rebootTimeout")


class Smbios(Element):
    """``<smbios mode='sysinfo'/>``: where the tables come from."""

    mode: str | None = attribute(option("none", "emulate", "host", "sysinfo"))


class Os(Element):
    """``<os firmware='efi'>``."""

    firmware: str | None = attribute(choice("bios", "efi"))
    type: OsType = group(OsType)
    firmware_features: Firmware = group(Firmware, "firmware")
    init: str | None = leaf(STRING)
    initargs: list[str] = leaves(STRING, "initarg")
    initenvs: list[InitEnvironment] = children(InitEnvironment, "initenv")
    initdir: str | None = leaf(STRING)
    inituser: str | None = leaf(STRING)
    initgroup: str | None = leaf(STRING)
    loader: Loader = group(Loader)
    nvram: Nvram = group(Nvram)
    kernel: str | None = leaf(STRING)
    initrd: str | None = leaf(STRING)
    cmdline: str | None = leaf(STRING)
    dtb: str | None = leaf(STRING)
    root: str | None = leaf(STRING)
    acpi: OsAcpi = group(OsAcpi)
    boots: list[BootDevice] = children(BootDevice, "boot")
    bootmenu: BootMenu = group(BootMenu)
    bios: Bios = group(Bios)
    smbios: Smbios = group(Smbios)
