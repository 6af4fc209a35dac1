# SPDX-License-Identifier: Apache-2.0
"""Memory devices: what holds the memory, and the module that the guest sees."""

from __future__ import annotations

import os.path

from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.context import FileRequest
from virloom.drivers.qemu.devices.props.address import alias_of
from virloom.drivers.qemu.devices.props.memory import memory_device, memory_object
from virloom.errors import ConfigUnsupported
from virloom.model.domain import Domain, MemoryDevice


def memory_files(dom: Domain) -> list[FileRequest]:
    """The files that hold what the guest keeps in its modules."""
    return [
        FileRequest(_key(memory), memory.source.path, "rw", create=True, image=True)
        for memory in dom.devices.memories
        if memory.source.path
    ]


def _key(memory: MemoryDevice) -> str:
    return f"{alias_of(memory, 'memory device')}.file"


def add_memory_devices(assembly: Assembly) -> None:
    """Every module.

    Raises:
        ConfigUnsupported: One that this QEMU does not have.
    """
    directory = assembly.context.lib_dir
    if assembly.context.standalone:
        # Where libvirt keeps the files of its guests' memory.
        parent, name = os.path.split(directory)
        directory = os.path.join(parent, "ram", name.removeprefix("domain-"))
    backing = assembly.dom.memory_backing
    for memory in assembly.dom.devices.memories:
        if memory.model == "sgx-epc":
            raise ConfigUnsupported("this QEMU has no SGX enclave page cache")
        props = memory_object(memory, backing, directory)
        if memory.source.path:
            props["mem-path"] = assembly.args.inherited(_key(memory))
        assembly.args.object(props)
        assembly.args.device(memory_device(memory, backing, assembly.buses))
