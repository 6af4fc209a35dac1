# SPDX-License-Identifier: Apache-2.0
"""``<guest>`` of the capabilities: an architecture, its machines and who runs them."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, child, children, content, flag, group, leaf
from virloom.xml.kinds import ON_OFF, STRING, UINT, YES_NO


class MachineCapabilities(Element):
    """``<machine canonical='pc-q35-7.2' maxCpus='288'>q35</machine>``."""

    canonical: str | None = attribute(STRING)
    max_cpus: int | None = attribute(UINT, "maxCpus")
    deprecated: bool | None = attribute(YES_NO)
    name: str | None = content(STRING)


class GuestDomain(Element):
    """``<domain type='kvm'>``: a hypervisor, and what it has beyond the architecture."""

    type: str | None = attribute(STRING)
    emulator: str | None = leaf(STRING)
    machines: list[MachineCapabilities] = children(MachineCapabilities, "machine")


class GuestArch(Element):
    """``<arch name='x86_64'>``; the word's size in bits."""

    name: str | None = attribute(STRING)
    wordsize: int | None = leaf(UINT)
    emulator: str | None = leaf(STRING)
    loader: str | None = leaf(STRING)
    machines: list[MachineCapabilities] = children(MachineCapabilities, "machine")
    domains: list[GuestDomain] = children(GuestDomain, "domain")


class Toggle(Element):
    """``<acpi default='on' toggle='yes'/>``."""

    default: bool | None = attribute(ON_OFF)
    toggle: bool | None = attribute(YES_NO)


class GuestFeatures(Element):
    """``<features>``: what can be had, or turned off, in guests of the architecture."""

    pae: bool = flag()
    nonpae: bool = flag()
    ia64_be: bool = flag()
    acpi: Toggle | None = child(Toggle)
    apic: Toggle | None = child(Toggle)
    cpuselection: bool = flag()
    deviceboot: bool = flag()
    disksnapshot: Toggle | None = child(Toggle)
    external_snapshot: bool = flag("externalSnapshot", since="9.9.0")
    hap: Toggle | None = child(Toggle)


class GuestCapabilities(Element):
    """``<guest>``."""

    os_type: str | None = leaf(STRING)
    arch: GuestArch = group(GuestArch)
    features: GuestFeatures = group(GuestFeatures)
