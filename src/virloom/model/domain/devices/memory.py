# SPDX-License-Identifier: Apache-2.0
"""``<memory>`` devices: DIMMs, NVDIMMs and their virtio cousins."""

from __future__ import annotations

from typing import Self

from virloom.model.cpuset import NUMBERS
from virloom.model.domain.devices.device import Device
from virloom.model.units import KIBIBYTES
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, flag, group, leaf
from virloom.xml.format import FormatFlags
from virloom.xml.kinds import STRING, UINT_OWNED, UUID, YES_NO, choice

MODELS = ("dimm", "nvdimm", "virtio-pmem", "virtio-mem", "sgx-epc")


class MemorySource(Element):
    """``<source>``: what backs it; amounts in KiB."""

    path: str | None = leaf(STRING)
    alignsize: int | None = leaf(KIBIBYTES)
    pmem: bool = flag()
    nodemask: str | None = leaf(NUMBERS)
    pagesize: int | None = leaf(KIBIBYTES)


class MemoryLabel(Element):
    """``<label><size unit='KiB'>128</size></label>``: an NVDIMM's name space labels."""

    size: int | None = leaf(KIBIBYTES)


class MemoryTarget(Element):
    """``<target>``: what the guest sees of it; amounts in KiB."""

    dynamic_memslots: bool | None = attribute(YES_NO, "dynamicMemslots", since="10.1.0")
    size: int | None = leaf(KIBIBYTES)
    node: int | None = leaf(UINT_OWNED)
    label: MemoryLabel | None = child(MemoryLabel)
    block: int | None = leaf(KIBIBYTES)
    requested: int | None = leaf(KIBIBYTES)
    current: int | None = leaf(KIBIBYTES)
    readonly: bool = flag()


class MemoryDevice(Device):
    """``<memory model='dimm' access='private' discard='yes'>``."""

    tag = "memory"
    schema_path = "domain/devices/memory"

    model: str | None = attribute(choice(*MODELS))
    access: str | None = attribute(choice("shared", "private"))
    discard: bool | None = attribute(YES_NO)
    uuid: str | None = leaf(UUID)
    source: MemorySource = group(MemorySource)
    target: MemoryTarget = group(MemoryTarget)

    def adapted(self, flags: FormatFlags) -> Self:
        """Without what only a running guest has: how much of it the guest uses now."""
        shown = super().adapted(flags)
        if flags & FormatFlags.INACTIVE and self.target.current is not None:
            return shown.beside(target=self.target.beside(current=None))
        return shown
