# SPDX-License-Identifier: Apache-2.0
"""Checks of memory devices."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, VirloomError, XmlDetail, XmlError
from virloom.model.domain import Domain, MemoryDevice

_SMALLEST_LABEL = 128
# A huge page of x86, below which nothing is plugged.
_SMALLEST_BLOCK = 2048


def check_given_memory_devices(dom: Domain) -> None:
    """What each device cannot be without, as the document has it.

    Raises:
        VirloomError: With libvirt's code for the mistake.
    """
    if bool(dom.max_memory.value) != bool(dom.max_memory.slots):
        raise XmlError("<maxMemory> needs both an amount and slots", domain=ErrorDomain.DOMAIN)
    for memory in dom.devices.memories:
        error = _missing(memory) or _mistake(memory)
        if error is not None:
            raise error


def _missing(memory: MemoryDevice) -> VirloomError | None:
    if memory.model is None:
        return XmlError("a memory device has no model", domain=ErrorDomain.XML)
    if memory.target.size is None:
        return XmlError("a memory device has no size", domain=ErrorDomain.XML)
    address = memory.address
    if address is not None and address.type == "dimm" and address.slot is None:
        return XmlError("the address of a memory device has no slot", domain=ErrorDomain.XML)
    if memory.model in ("nvdimm", "virtio-pmem") and not memory.source.path:
        return XmlDetail(f"a {memory.model} has no path", domain=ErrorDomain.DOMAIN)
    return None


def _mistake(memory: MemoryDevice) -> VirloomError | None:
    match memory.model:
        case "nvdimm":
            return _nvdimm(memory)
        case "virtio-pmem" if memory.access == "private":
            return _unsupported("virtio-pmem needs access='shared'")
        case "virtio-pmem" if memory.target.node is not None:
            return _unsupported("virtio-pmem is on no NUMA node")
        case "virtio-mem":
            wrong = _virtio_mem(memory)
            return XmlDetail(wrong, domain=ErrorDomain.DOMAIN) if wrong else None
    return None


def _unsupported(text: str) -> VirloomError:
    return ConfigUnsupported(text, domain=ErrorDomain.DOMAIN)


def _nvdimm(memory: MemoryDevice) -> VirloomError | None:
    label, size = memory.target.label, memory.target.size or 0
    if memory.discard is not None:
        return _unsupported("what an NVDIMM holds is not discarded")
    if memory.uuid is not None:
        return _unsupported("this machine's NVDIMMs have no UUID")
    if label is not None and (label.size or 0) < _SMALLEST_LABEL:
        return XmlError(
            f"the label of an NVDIMM has at least {_SMALLEST_LABEL} KiB", domain=ErrorDomain.DOMAIN
        )
    if label is not None and (label.size or 0) >= size:
        return XmlError("the label of an NVDIMM is larger than it", domain=ErrorDomain.DOMAIN)
    return None


def _virtio_mem(memory: MemoryDevice) -> str:
    target = memory.target
    size, block, requested = target.size or 0, target.block or 0, target.requested or 0
    if requested > size:
        return f"{requested} KiB are requested of a virtio-mem of {size} KiB"
    if block == 0 or block & (block - 1):
        return f"the block size of a virtio-mem is a power of two, not {block} KiB"
    if block < _SMALLEST_BLOCK:
        return f"the block size of a virtio-mem is at least {_SMALLEST_BLOCK} KiB, not {block}"
    if requested % block:
        return f"what is requested of a virtio-mem is a multiple of {block} KiB"
    return ""


def check_memory_devices(dom: Domain) -> None:
    """What this machine and QEMU do not have.

    Raises:
        ConfigUnsupported: Such a device is in the document.
        XmlDetail: It is on a NUMA node that the guest does not have (libvirt's code for it).
    """
    for memory in dom.devices.memories:
        wrong = ""
        if memory.model == "sgx-epc":
            wrong = "this QEMU has no SGX enclave page cache"
        elif memory.model != "virtio-pmem" and memory.target.node is None:
            wrong = f"a {memory.model} is on a NUMA node, which is not named"
        if wrong:
            raise ConfigUnsupported(wrong, domain=ErrorDomain.QEMU)
        node, nodes = memory.target.node, len(dom.numa_cells)
        if node is not None and nodes and node >= nodes:
            raise XmlDetail(
                f"can't add memory backend for guest node '{node}' as the guest has only "
                f"'{nodes}' NUMA nodes configured",
                domain=ErrorDomain.DOMAIN,
            )
