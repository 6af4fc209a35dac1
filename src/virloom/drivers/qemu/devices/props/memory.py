# SPDX-License-Identifier: Apache-2.0
"""Memory modules and their virtio cousins."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import Buses, Props, alias_of, virtio_driver
from virloom.model.cpuset import numbers_in
from virloom.model.domain import MemoryBacking, MemoryDevice

_BYTES_PER_KIB = 1024
# Modules are whole huge pages of x86.
_ALIGNMENT = 2048

_DRIVERS = {"dimm": "pc-dimm", "nvdimm": "nvdimm"}


def memory_object_id(memory: MemoryDevice) -> str:
    """QEMU's id of what stands behind the device."""
    return f"mem{alias_of(memory, 'memory device')}"


def aligned(size: int) -> int:
    """A device's size in KiB as QEMU gets it: whole huge pages, upwards."""
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def memory_object(memory: MemoryDevice, backing: MemoryBacking, directory: str) -> Props:
    """The object that holds the device's memory.

    Args:
        memory: The device.
        backing: Of the guest, for what the device does not say itself.
        directory: Where files of memory are kept that the document does not name.
    """
    source, alias = memory.source, alias_of(memory, "memory device")
    access = memory.access or backing.access.mode
    props: Props = {"qom-type": "memory-backend-ram", "id": memory_object_id(memory)}
    if source.path is None and backing.source.type == "memfd":
        props["qom-type"] = "memory-backend-memfd"
    elif source.path is not None or access is not None or backing.source.type == "file":
        # Only memory in a file can be shared, or be told to be private.
        props["qom-type"] = "memory-backend-file"
        props["mem-path"] = source.path or f"{directory}/{alias}"
        discard = memory.discard if memory.discard is not None else (backing.discard or None)
        if discard is not None and source.path is None:
            props["discard-data"] = discard
    if access is not None:
        props["share"] = access == "shared"
    props.update(_allocation(memory, backing))
    props["size"] = aligned(memory.target.size or 0) * _BYTES_PER_KIB
    if source.alignsize:
        props["align"] = source.alignsize * _BYTES_PER_KIB
    if source.pmem:
        props["pmem"] = True
    if source.nodemask:
        props.update({"host-nodes": numbers_in(source.nodemask), "policy": "bind"})
    return props


def _allocation(memory: MemoryDevice, backing: MemoryBacking) -> Props:
    """Whether the memory is there from the start; virtio-mem sees to that by itself."""
    if memory.model == "virtio-mem":
        return {"reserve": False}
    stored = memory.model == "nvdimm" and memory.source.path and not memory.source.pmem
    if not stored and backing.allocation.mode != "immediate":
        return {}
    threads = backing.allocation.threads
    return {"prealloc": True, "prealloc-threads": threads} if threads else {"prealloc": True}


def memory_device(memory: MemoryDevice, backing: MemoryBacking, buses: Buses) -> Props:
    """Properties of the device."""
    alias, target, model = alias_of(memory, "memory device"), memory.target, memory.model or ""
    props: Props = {"driver": _DRIVERS.get(model, "")}
    if model not in _DRIVERS:
        props["driver"] = virtio_driver(model, None, memory.address)
    if target.node is not None and model != "virtio-pmem":
        props["node"] = target.node
    if target.label is not None and target.label.size:
        props["label-size"] = target.label.size * _BYTES_PER_KIB
    if memory.uuid and model == "nvdimm":
        props["uuid"] = memory.uuid
    if target.readonly:
        props["unarmed"] = True
    if target.block:
        props["block-size"] = target.block * _BYTES_PER_KIB
    if target.requested:
        props["requested-size"] = target.requested * _BYTES_PER_KIB
    props["memdev"] = memory_object_id(memory)
    if model == "virtio-mem" and backing.allocation.mode == "immediate":
        props["prealloc"] = True
    props["id"] = alias
    address = memory.address
    if address is not None and address.type == "dimm":
        props["slot"] = address.slot or 0
        if address.base:
            props["addr"] = address.base
        return props
    return {**props, **buses.place(memory, alias)}
