# SPDX-License-Identifier: Apache-2.0
"""``<cpu>``: what processor the guest sees."""

from __future__ import annotations

from virloom.xml.element import Element
from virloom.xml.fields import attribute, children, content, group, leaf, verbatim
from virloom.xml.kinds import ON_OFF, STRING, UINT, choice, option
from virloom.xml.node import Node


class CpuModel(Element):
    """``<model fallback='forbid' vendor_id='…'>Nehalem</model>``."""

    fallback: str | None = attribute(option("allow", "forbid"))
    vendor_id: str | None = attribute(STRING)
    value: str | None = content(STRING)


class MaxPhysAddr(Element):
    """``<maxphysaddr mode='emulate' bits='42'/>``."""

    mode: str | None = attribute(choice("emulate", "passthrough"))
    bits: int | None = attribute(UINT)


class Topology(Element):
    """``<topology sockets='1' dies='1' cores='2' threads='1'/>``."""

    sockets: int | None = attribute(UINT)
    dies: int | None = attribute(UINT)
    cores: int | None = attribute(UINT)
    threads: int | None = attribute(UINT)


class CpuCache(Element):
    """``<cache level='3' mode='emulate'/>``."""

    level: int | None = attribute(UINT)
    mode: str | None = attribute(choice("emulate", "passthrough", "disable"))


class CpuFeature(Element):
    """``<feature policy='disable' name='svm'/>``."""

    policy: str | None = attribute(option("force", "require", "optional", "disable", "forbid"))
    name: str | None = attribute(STRING)


class Cpu(Element):
    """``<cpu mode='custom' match='exact' check='partial'>``."""

    mode: str | None = attribute(option("custom", "host-model", "host-passthrough", "maximum"))
    match: str | None = attribute(choice("minimum", "exact", "strict"))
    check: str | None = attribute(choice("none", "partial", "full"))
    migratable: bool | None = attribute(ON_OFF)
    model: CpuModel = group(CpuModel)
    vendor: str | None = leaf(STRING)
    topology: Topology = group(Topology)
    cache: CpuCache = group(CpuCache)
    maxphysaddr: MaxPhysAddr = group(MaxPhysAddr)
    features: list[CpuFeature] = children(CpuFeature, "feature")
    numa: list[Node] = verbatim("numa")
