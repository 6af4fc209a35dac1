# SPDX-License-Identifier: Apache-2.0
"""Firmware: its code and its variables, as flash or as ROM."""

from __future__ import annotations

from virloom.drivers.qemu.block.chain import ImageLayer
from virloom.drivers.qemu.command.arguments import Props
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.context import FileRequest
from virloom.drivers.qemu.command.storage_objects import add_storage_objects
from virloom.drivers.qemu.devices.props.storage import storage_node
from virloom.model.domain import DiskSource, Domain

#: Block nodes of the flash banks, named as libvirt names them.
CODE_NODE = "libvirt-pflash0-format"
VARS_NODE = "libvirt-pflash1-format"

_CODE_KEY = "firmware.code"
_VARS_KEY = "firmware.vars"


def uses_flash(dom: Domain) -> bool:
    """Whether the firmware is flash, whose nodes the machine refers to."""
    return dom.os.loader.type == "pflash"


def nvram_path(dom: Domain) -> str | None:
    """The local file of the firmware's variables; None where they are elsewhere, or are none."""
    nvram = dom.os.nvram
    source = nvram.source
    if nvram.type == "file" and source is not None:
        return source.file
    if nvram.type == "block" and source is not None:
        return source.dev
    return nvram.value or None if nvram.type is None else None


def has_variables(dom: Domain) -> bool:
    """Whether the firmware has variables, wherever they are."""
    return nvram_path(dom) is not None or dom.os.nvram.type is not None


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
    code = {"driver": "file", "filename": args.fdset(_CODE_KEY)}
    _flash(assembly, "libvirt-pflash0", code, read_only=bool(loader.readonly))
    if has_variables(assembly.dom):
        _flash(assembly, "libvirt-pflash1", _variables(assembly), read_only=False)


def _variables(assembly: Assembly) -> Props:
    """What distinguishes the node of the variables' storage, after the objects that it needs."""
    nvram = assembly.dom.os.nvram
    if nvram_path(assembly.dom) is not None:
        driver = "host_device" if nvram.type == "block" else "file"
        return {"driver": driver, "filename": assembly.args.fdset(_VARS_KEY)}
    node = "libvirt-pflash1-storage"
    source = nvram.source or DiskSource()
    layer = ImageLayer("", "raw", False, nvram.type or "", source)
    extra = add_storage_objects(assembly, layer, node, None)
    return {**storage_node(layer.kind, source, node, floppy=False), **extra}


def _flash(assembly: Assembly, name: str, storage: Props, *, read_only: bool) -> None:
    args = assembly.args
    storage = {**storage, "node-name": f"{name}-storage"}
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
