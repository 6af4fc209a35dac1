# SPDX-License-Identifier: Apache-2.0
"""Memory modules and their virtio cousins."""

from __future__ import annotations

from virloom.drivers.qemu.devices.props.address import Buses, Props, alias_of, virtio_driver
from virloom.model.domain import MemoryDevice

_BYTES_PER_KIB = 1024
_KIB_PER_MIB = 1024

_DRIVERS = {"dimm": "pc-dimm", "nvdimm": "nvdimm"}


def memory_object_id(memory: MemoryDevice) -> str:
    """QEMU's id of what stands behind the device."""
    return f"mem{alias_of(memory, 'memory device')}"


def aligned(size: int) -> int:
    """A device's size in KiB as QEMU gets it: whole MiB, upwards."""
    return -(-size // _KIB_PER_MIB) * _KIB_PER_MIB


def memory_object(memory: MemoryDevice, directory: str) -> Props:
    """The object that holds the device's memory.

    Args:
        memory: The device.
        directory: Where files of memory are kept that the document does not name.
    """
    source, alias = memory.source, alias_of(memory, "memory device")
    props: Props = {"qom-type": "memory-backend-ram", "id": memory_object_id(memory)}
    path = source.path
    if path is None and memory.access is not None:
        # Only memory in a file can be shared, or be told to be private.
        path = f"{directory}/{alias}"
    if path is not None:
        props["qom-type"] = "memory-backend-file"
        props["mem-path"] = path
    if memory.discard is not None and path is not None and memory.model != "nvdimm":
        props["discard-data"] = memory.discard
    if memory.access is not None:
        props["share"] = memory.access == "shared"
    if memory.model == "nvdimm" and source.path and not source.pmem and memory.access is None:
        props["prealloc"] = True
    if memory.model == "virtio-mem":
        props["reserve"] = False
    props["size"] = aligned(memory.target.size or 0) * _BYTES_PER_KIB
    if source.alignsize:
        props["align"] = source.alignsize * _BYTES_PER_KIB
    if source.pmem:
        props["pmem"] = True
    if source.nodemask:
        props.update({"host-nodes": _numbers(source.nodemask), "policy": "bind"})
    return props


def memory_device(memory: MemoryDevice, buses: Buses) -> Props:
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
    props.update({"memdev": memory_object_id(memory), "id": alias})
    address = memory.address
    if address is not None and address.type == "dimm":
        props["slot"] = address.slot or 0
        if address.base:
            props["addr"] = address.base
        return props
    return {**props, **buses.place(address, alias)}


def _numbers(text: str) -> list[int]:
    """The numbers of ``0-3,8,^2``."""
    found: set[int] = set()
    for part in text.split(","):
        low, _, high = part.strip().lstrip("^").partition("-")
        numbers = range(int(low), int(high or low) + 1)
        found = found.difference(numbers) if part.strip().startswith("^") else found.union(numbers)
    return sorted(found)
