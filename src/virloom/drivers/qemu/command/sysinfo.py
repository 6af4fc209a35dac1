# SPDX-License-Identifier: Apache-2.0
"""What SMBIOS tables and firmware configuration tell the guest."""

from __future__ import annotations

from virloom.drivers.qemu.command.arguments import keyval
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.context import FileRequest
from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, XmlError
from virloom.model.domain import Domain, FwcfgEntry, SmbiosBlock, Sysinfo

#: QEMU's number of each table.
_TYPES = {"bios": 0, "system": 1, "baseBoard": 2, "chassis": 3, "oemStrings": 11}


def sysinfo_files(dom: Domain) -> list[FileRequest]:
    """Files whose content the guest's firmware hands on, and an ACPI table of the document."""
    files = [
        FileRequest(_key(entry), entry.file, "r", reopened=True)
        for entry in _entries(dom)
        if entry.file
    ]
    files += [
        FileRequest("acpi.table", table.value, "r", reopened=True)
        for table in dom.os.acpi.tables
        if table.value
    ]
    return files


def _entries(dom: Domain) -> list[FwcfgEntry]:
    return [entry for info in dom.sysinfos if info.type == "fwcfg" for entry in info.entries]


def _key(entry: FwcfgEntry) -> str:
    return f"fw_cfg.{entry.name}"


def add_smbios(assembly: Assembly) -> None:
    """The tables that ``<smbios mode='sysinfo'>`` asks for.

    Raises:
        XmlError: There is no <sysinfo> to take them from.
        ConfigUnsupported: More boards than QEMU can tell of.
    """
    dom = assembly.dom
    if dom.os.smbios.mode != "sysinfo":
        return
    given = [info for info in dom.sysinfos if info.type == "smbios"]
    if not given:
        raise XmlError(
            f"<smbios mode='sysinfo'> of domain '{dom.name}' needs <sysinfo type='smbios'>",
            domain=ErrorDomain.QEMU,
        )
    for name, block in _blocks(given[0]):
        pairs = [(entry.name or "", entry.value) for entry in block.entries]
        if pairs:
            assembly.args.option("smbios", f"type={_TYPES[name]},{keyval(pairs)}")
    strings = [("value", entry.value or "") for entry in given[0].oem_strings.entries]
    if strings:
        assembly.args.option("smbios", f"type={_TYPES['oemStrings']},{keyval(strings)}")


def _blocks(info: Sysinfo) -> list[tuple[str, SmbiosBlock]]:
    if len(info.base_boards) > 1:
        raise ConfigUnsupported("QEMU tells of one <baseBoard> only", domain=ErrorDomain.QEMU)
    boards = [("baseBoard", board) for board in info.base_boards]
    return [("bios", info.bios), ("system", info.system), *boards, ("chassis", info.chassis)]


def add_firmware_entries(assembly: Assembly) -> None:
    """Each ``<entry>`` of firmware configuration, and an ACPI table of the document."""
    args = assembly.args
    for entry in _entries(assembly.dom):
        pairs: list[tuple[str, object]] = [("name", entry.name)]
        if entry.file and not entry.value:
            pairs.append(("file", args.inherited(_key(entry))))
        else:
            pairs.append(("string", entry.value))
        args.option("fw_cfg", keyval(pairs))
    for table in assembly.dom.os.acpi.tables:
        if table.value:
            pairs = [("sig", (table.type or "").upper()), ("file", args.inherited("acpi.table"))]
            args.option("acpitable", keyval(pairs))
