# SPDX-License-Identifier: Apache-2.0
"""``<features>``: what the machine and the accelerator offer."""

from __future__ import annotations

from virloom.model.units import KIBIBYTES, PRETTY_BYTES
from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, flag, group, leaf, verbatim
from virloom.xml.kinds import ON_OFF, choice
from virloom.xml.node import Node


class Switch(Element):
    """``<pmu state='on'/>``; without a state it is on."""

    state: bool | None = attribute(ON_OFF)


class Apic(Element):
    """``<apic eoi='on'/>``."""

    eoi: bool | None = attribute(ON_OFF)


class Smm(Element):
    """``<smm state='on'><tseg unit='MiB'>48</tseg></smm>``; ``tseg`` in bytes."""

    state: bool | None = attribute(ON_OFF)
    tseg: int | None = leaf(PRETTY_BYTES)


class Ioapic(Element):
    """``<ioapic driver='qemu'/>``."""

    driver: str | None = attribute(choice("kvm", "qemu"))


class Msrs(Element):
    """``<msrs unknown='ignore'/>``."""

    unknown: str | None = attribute(choice("ignore", "fault"))


class Tcg(Element):
    """``<tcg><tb-cache unit='MiB'>128</tb-cache></tcg>``, in KiB."""

    tb_cache: int | None = leaf(KIBIBYTES, "tb-cache")


class Features(Element):
    """``<features>``."""

    acpi: bool = flag()
    apic: Apic | None = child(Apic)
    pae: bool = flag()
    hap: Switch | None = child(Switch)
    viridian: list[Node] = verbatim("viridian")
    privnet: bool = flag()
    hyperv: list[Node] = verbatim("hyperv")
    kvm: list[Node] = verbatim("kvm")
    pvspinlock: Switch | None = child(Switch)
    capabilities: list[Node] = verbatim("capabilities")
    pmu: Switch | None = child(Switch)
    vmport: Switch | None = child(Switch)
    gic: list[Node] = verbatim("gic")
    smm: Smm | None = child(Smm)
    ioapic: Ioapic | None = child(Ioapic)
    hpt: list[Node] = verbatim("hpt")
    vmcoreinfo: Switch | None = child(Switch)
    htm: list[Node] = verbatim("htm")
    nested_hv: list[Node] = verbatim("nested-hv")
    msrs: Msrs | None = child(Msrs)
    ccf_assist: list[Node] = verbatim("ccf-assist")
    xen: list[Node] = verbatim("xen")
    cfpc: list[Node] = verbatim("cfpc")
    sbbc: list[Node] = verbatim("sbbc")
    ibs: list[Node] = verbatim("ibs")
    tcg: Tcg = group(Tcg)
