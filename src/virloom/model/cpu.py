# SPDX-License-Identifier: Apache-2.0
"""``<cpu>`` that stands alone: of a host, or what CPUs are compared and baselined by."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.model.domain.cpu import Cpu, CpuModel
from virloom.model.schema import PathSchema, schema
from virloom.xml.element import Element
from virloom.xml.fields import attribute, children, flag, group, leaf
from virloom.xml.kinds import STRING, UINT, ULONG, YES_NO, choice


class Microcode(Element):
    """``<microcode version='16777317'/>``."""

    version: int | None = attribute(UINT)


class Signature(Element):
    """``<signature family='25' model='17' stepping='1'/>``: what CPUID leaf 1 tells."""

    family: int | None = attribute(UINT)
    model: int | None = attribute(UINT)
    stepping: int | None = attribute(UINT)


class Counter(Element):
    """``<counter name='tsc' frequency='2596138000' scaling='no'/>``; the frequency in Hz."""

    name: str | None = attribute(choice("tsc"))
    frequency: int | None = attribute(ULONG)
    scaling: bool | None = attribute(YES_NO)


class OldFeatures(Element):
    """``<features>``: of 32 bits and hardware virtualization, as old hosts told them."""

    pae: bool = flag()
    nonpae: bool = flag()
    vmx: bool = flag()
    svm: bool = flag()


class PageSize(Element):
    """``<pages unit='KiB' size='2048'/>``: a size of page that the CPU has."""

    unit: str | None = attribute(STRING)
    size: int | None = attribute(ULONG)


class HostCpu(Cpu):
    """A ``<cpu>`` that stands alone, and may be of a host: then it says of which architecture."""

    schema_path = "cpu"
    error_domain = ErrorDomain.CPU

    arch: str | None = leaf(STRING, order=-9)
    old_features: OldFeatures = group(OldFeatures, "features", order=-8)
    model: CpuModel = group(CpuModel, order=-7)
    vendor: str | None = leaf(STRING, order=-6)
    microcode: Microcode = group(Microcode, order=-5)
    signature: Signature = group(Signature, order=-4)
    counter: Counter = group(Counter, order=-3)
    pages: list[PageSize] = children(PageSize, "pages", order=1)

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of CPUs."""
        return schema("cpu")
