# SPDX-License-Identifier: Apache-2.0
"""``<domainCapabilities>``: what a guest may have, of one emulator and machine."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.model.domain.cpu import CpuFeature
from virloom.model.schema import PathSchema, schema
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, content, group, leaf, leaves
from virloom.xml.kinds import STRING, UINT, ULONG, YES_NO, option


class ValueEnum(Element):
    """``<enum name='bus'>``: the values that may stand; none is an answer too."""

    name: str | None = attribute(STRING)
    values: list[str] = leaves(STRING, "value")


class Support(Element):
    """``<rng supported='yes'>`` and its like: whether there is such a thing, and of what kinds."""

    supported: bool | None = attribute(YES_NO)
    values: list[str] = leaves(STRING, "value")
    enums: list[ValueEnum] = children(ValueEnum, "enum")


class VcpuLimit(Element):
    """``<vcpu max='288'/>``."""

    max: int | None = attribute(UINT)


class OsSupport(Element):
    """``<os supported='yes'>``; the values of the loader are its files."""

    supported: bool | None = attribute(YES_NO)
    enums: list[ValueEnum] = children(ValueEnum, "enum")
    loader: Support | None = child(Support)


class UsableModel(Element):
    """``<model usable='no' vendor='AMD'>EPYC</model>``; in host-model, what it stands for."""

    usable: str | None = attribute(option("yes", "no", "unknown"))
    fallback: str | None = attribute(option("allow", "forbid"))
    deprecated: bool | None = attribute(YES_NO)
    vendor: str | None = attribute(STRING)
    vendor_id: str | None = attribute(STRING)
    canonical: str | None = attribute(STRING, since="11.0.0")
    name: str | None = content(STRING)


class CpuMode(Element):
    """``<mode name='custom' supported='yes'>``."""

    name: str | None = attribute(STRING)
    supported: bool | None = attribute(YES_NO)
    enums: list[ValueEnum] = children(ValueEnum, "enum")
    models: list[UsableModel] = children(UsableModel, "model")
    vendor: str | None = leaf(STRING)
    features: list[CpuFeature] = children(CpuFeature, "feature")


class CpuSupport(Element):
    """``<cpu>``."""

    modes: list[CpuMode] = children(CpuMode, "mode")


class DeviceSupport(Element):
    """``<devices>``."""

    disk: Support | None = child(Support)
    graphics: Support | None = child(Support)
    video: Support | None = child(Support)
    hostdev: Support | None = child(Support)
    rng: Support | None = child(Support)
    filesystem: Support | None = child(Support)
    tpm: Support | None = child(Support)
    redirdev: Support | None = child(Support)
    channel: Support | None = child(Support)
    crypto: Support | None = child(Support, since="9.1.0")
    interface: Support | None = child(Support, since="9.6.0")
    panic: Support | None = child(Support, since="9.7.0")
    console: Support | None = child(Support, since="10.2.0")


class SevSupport(Element):
    """``<sev supported='yes'>``: of AMD's encrypted guests."""

    supported: bool | None = attribute(YES_NO)
    cbitpos: int | None = leaf(UINT)
    reduced_phys_bits: int | None = leaf(UINT, "reducedPhysBits")
    max_guests: int | None = leaf(UINT, "maxGuests")
    max_es_guests: int | None = leaf(UINT, "maxESGuests")


class EnclaveSize(Element):
    """``<section_size unit='KiB'>524288</section_size>``."""

    unit: str | None = attribute(STRING)
    amount: int | None = content(ULONG)


class EnclaveSection(Element):
    """``<section node='0' size='262144' unit='KiB'/>``."""

    node: int | None = attribute(UINT)
    size: int | None = attribute(ULONG)
    unit: str | None = attribute(STRING)


class EnclaveSections(Element):
    """``<sections>``."""

    sections: list[EnclaveSection] = children(EnclaveSection, "section")


class SgxSupport(Element):
    """``<sgx supported='yes'>``: of Intel's enclaves."""

    supported: bool | None = attribute(YES_NO)
    flc: bool | None = leaf(YES_NO)
    sgx1: bool | None = leaf(YES_NO)
    sgx2: bool | None = leaf(YES_NO)
    section_size: EnclaveSize = group(EnclaveSize)
    sections: EnclaveSections = group(EnclaveSections)


class FeatureSupport(Element):
    """``<features>``."""

    gic: Support | None = child(Support)
    vmcoreinfo: Support | None = child(Support)
    genid: Support | None = child(Support)
    backing_store_input: Support | None = child(Support, "backingStoreInput")
    backup: Support | None = child(Support)
    async_teardown: Support | None = child(Support, "async-teardown", since="9.6.0")
    s390_pv: Support | None = child(Support, "s390-pv")
    sev: SevSupport | None = child(SevSupport)
    sgx: SgxSupport | None = child(SgxSupport)
    hyperv: Support | None = child(Support)


class DomainCapabilities(Element):
    """``<domainCapabilities>``."""

    tag = "domainCapabilities"
    schema_path = "domainCapabilities"
    error_domain = ErrorDomain.CAPABILITIES

    path: str | None = leaf(STRING)
    domain: str | None = leaf(STRING)
    machine: str | None = leaf(STRING)
    arch: str | None = leaf(STRING)
    vcpu: VcpuLimit = group(VcpuLimit)
    iothreads: Support | None = child(Support)
    os: OsSupport | None = child(OsSupport)
    cpu: CpuSupport = group(CpuSupport)
    memory_backing: Support | None = child(Support, "memoryBacking")
    devices: DeviceSupport = group(DeviceSupport)
    features: FeatureSupport = group(FeatureSupport)

    @classmethod
    def schema(cls) -> PathSchema:
        """The schema of domain capabilities."""
        return schema("domainCapabilities")
