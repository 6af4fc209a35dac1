# SPDX-License-Identifier: Apache-2.0
"""``<features>``: what the machine and the accelerator offer."""

from __future__ import annotations

from virloom.model.domain.container_capabilities import Capabilities
from virloom.model.domain.hyperv import Hyperv, Kvm
from virloom.model.units import KIBIBYTES, PRETTY_BYTES
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, flag, group, leaf
from virloom.xml.kinds import ON_OFF, choice


class Switch(Element):
    """``<pmu state='on'/>``; without a state it is on."""

    state: bool | None = attribute(ON_OFF)


class RequiredSwitch(Element):
    """``<htm state='on'/>``."""

    state: bool | None = attribute(ON_OFF, required=True)


class Apic(Element):
    """``<apic eoi='on'/>``."""

    eoi: bool | None = attribute(ON_OFF)


class Gic(Element):
    """``<gic version='3'/>``: the interrupt controller of ARM."""

    version: str | None = attribute(choice("host", "2", "3"))


class Smm(Element):
    """``<smm state='on'><tseg unit='MiB'>48</tseg></smm>``; ``tseg`` in bytes."""

    state: bool | None = attribute(ON_OFF)
    tseg: int | None = leaf(PRETTY_BYTES)


class Ioapic(Element):
    """``<ioapic driver='qemu'/>``."""

    driver: str | None = attribute(choice("kvm", "qemu"))


class Hpt(Element):
    """``<hpt resizing='required'><maxpagesize>…``: the page table of pSeries; KiB."""

    resizing: str | None = attribute(choice("enabled", "disabled", "required"))
    maxpagesize: int | None = leaf(KIBIBYTES)


class Msrs(Element):
    """``<msrs unknown='ignore'/>``."""

    unknown: str | None = attribute(choice("ignore", "fault"), required=True)


class Mitigation(Element):
    """``<cfpc value='workaround'/>`` of pSeries."""

    value: str | None = attribute(choice("broken", "workaround", "fixed"), required=True)


class BranchMitigation(Element):
    """``<ibs value='fixed-na'/>`` of pSeries."""

    value: str | None = attribute(
        choice("broken", "workaround", "fixed-ibs", "fixed-ccd", "fixed-na"), required=True
    )


class XenSwitch(Switch):
    """``<e820_host state='on'/>``."""

    state: bool | None = attribute(ON_OFF, required=True)


class XenPassthrough(Switch):
    """``<passthrough state='on' mode='sync_pt'/>``."""

    state: bool | None = attribute(ON_OFF, required=True)
    mode: str | None = attribute(choice("default", "sync_pt", "share_pt"))


class Xen(Element):
    """``<xen>``."""

    closed = "no feature of Xen that we know"
    empty = "lines"
    e820_host: XenSwitch | None = child(XenSwitch)
    passthrough: XenPassthrough | None = child(XenPassthrough)


class Tcg(Element):
    """``<tcg><tb-cache unit='MiB'>128</tb-cache></tcg>``, in KiB."""

    tb_cache: int | None = leaf(KIBIBYTES, "tb-cache")


class Features(Element):
    """``<features>``."""

    closed = "no feature that we know"
    acpi: bool = flag()
    apic: Apic | None = child(Apic)
    pae: bool = flag()
    hap: Switch | None = child(Switch)
    viridian: bool = flag()
    privnet: bool = flag()
    hyperv: Hyperv | None = child(Hyperv)
    kvm: Kvm | None = child(Kvm)
    pvspinlock: Switch | None = child(Switch)
    capabilities: Capabilities = group(Capabilities)
    pmu: Switch | None = child(Switch)
    vmport: Switch | None = child(Switch)
    gic: Gic | None = child(Gic)
    smm: Smm | None = child(Smm)
    ioapic: Ioapic | None = child(Ioapic)
    hpt: Hpt | None = child(Hpt)
    vmcoreinfo: Switch | None = child(Switch)
    htm: RequiredSwitch | None = child(RequiredSwitch)
    nested_hv: RequiredSwitch | None = child(RequiredSwitch, "nested-hv")
    msrs: Msrs | None = child(Msrs)
    ccf_assist: RequiredSwitch | None = child(RequiredSwitch, "ccf-assist")
    xen: Xen | None = child(Xen)
    cfpc: Mitigation | None = child(Mitigation)
    sbbc: Mitigation | None = child(Mitigation)
    ibs: BranchMitigation | None = child(BranchMitigation)
    tcg: Tcg = group(Tcg)
