# SPDX-License-Identifier: Apache-2.0
"""Firmware: its code and its variables, as flash or as ROM."""

from __future__ import annotations

from virloom.drivers.qemu.command.arguments import Props
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.context import FileRequest
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain

#: Block nodes of the flash banks, named as libvirt names them.
CODE_NODE = "libvirt-pflash0-format"
VARS_NODE = "libvirt-pflash1-format"

_CODE_KEY = "firmware.code"
_VARS_KEY = "firmware.vars"


def uses_flash(dom: Domain) -> bool:
    """Whether the firmware is flash, whose nodes the machine refers to."""
    return dom.os.loader.type == "pflash"


def nvram_path(dom: Domain) -> str | None:
    """The file of the firmware's variables.

    Raises:
        ConfigUnsupported: They are not in a local file.
    """
    nvram = dom.os.nvram
    source = nvram.source
    if nvram.type == "file" and source is not None:
        return source.file
    if nvram.type == "block" and source is not None:
        return source.dev
    if nvram.type is not None:
        raise ConfigUnsupported(
            f"NVRAM of type '{nvram.type}' is not supported yet; known: file, block"
        )
    return nvram.value or None


def firmware_files(dom: Domain) -> list[FileRequest]:
    """The loader's image and the variables, where they are files."""
    loader = dom.os.loader
    if not loader.value:
        return []
    if not uses_flash(dom):
        return [FileRequest("firmware", loader.value, "r", reopened=True)]
    requests = [FileRequest(_CODE_KEY, loader.value, "r" if loader.readonly else "rw")]
    variables = nvram_path(dom)
    if variables is not None:
        requests.append(FileRequest(_VARS_KEY, variables, "rw", image=True))
    return requests


def add_firmware(assembly: Assembly) -> None:
    """Flash banks as block nodes, or a ROM image; nothing for the machine's own BIOS."""
    loader, args = assembly.dom.os.loader, assembly.args
    if not loader.value:
        return
    if not uses_flash(assembly.dom):
        args.option("bios", args.inherited("firmware"))
        return
    if loader.secure:
        args.option("global", "driver=cfi.pflash01,property=secure,value=on")
    _flash(assembly, "libvirt-pflash0", _CODE_KEY, read_only=bool(loader.readonly))
    if nvram_path(assembly.dom) is not None:
        block = assembly.dom.os.nvram.type == "block"
        _flash(assembly, "libvirt-pflash1", _VARS_KEY, read_only=False, block=block)


def _flash(
    assembly: Assembly, name: str, key: str, *, read_only: bool, block: bool = False
) -> None:
    args = assembly.args
    storage: Props = {
        "driver": "host_device" if block else "file",
        "filename": args.fdset(key),
        "node-name": f"{name}-storage",
    }
    if assembly.context.standalone:
        storage["auto-read-only"] = True
    else:
        storage["read-only"] = read_only
    args.blockdev(storage | {"discard": "unmap"})
    args.blockdev(
        {
            "node-name": f"{name}-format",
            "read-only": read_only,
            "driver": "raw",
            "file": f"{name}-storage",
        }
    )
