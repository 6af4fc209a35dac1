# SPDX-License-Identifier: Apache-2.0
"""``<cpu>``: what processor the guest sees."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported
from virloom.model.domain.numa import Numa
from virloom.xml.element import Element
from virloom.xml.fields import Once, attribute, child, children, content, group, leaf
from virloom.xml.kinds import ON_OFF, STRING, UINT, Kind, answering, choice, option


def _of_cpu(*words: str) -> Kind[str]:
    """One of some words; another one is an error of the CPU, not of the domain."""
    return answering(choice(*words), ConfigUnsupported, ErrorDomain.CPU)


class CpuModel(Element):
    """``<model fallback='forbid' vendor_id='…'>Nehalem</model>``."""

    fallback: str | None = attribute(option("allow", "forbid"))
    vendor_id: str | None = attribute(STRING)
    value: str | None = content(STRING)


class MaxPhysAddr(Element):
    """``<maxphysaddr mode='emulate' bits='42'/>``."""

    mode: str | None = attribute(choice("emulate", "passthrough"), required=True)
    bits: int | None = attribute(UINT)


class Topology(Element):
    """``<topology sockets='1' dies='1' cores='2' threads='1'/>``."""

    sockets: int | None = attribute(UINT, required=True)
    dies: int | None = attribute(UINT)
    cores: int | None = attribute(UINT, required=True)
    threads: int | None = attribute(UINT, required=True)


class CpuCache(Element):
    """``<cache level='3' mode='emulate'/>``."""

    level: int | None = attribute(UINT)
    mode: str | None = attribute(choice("emulate", "passthrough", "disable"), required=True)


class CpuFeature(Element):
    """``<feature policy='disable' name='svm'/>``."""

    policy: str | None = attribute(_of_cpu("force", "require", "optional", "disable", "forbid"))
    name: str | None = attribute(STRING)


class Cpu(Element):
    """``<cpu mode='custom' match='exact' check='partial'>``."""

    tag = "cpu"

    mode: str | None = attribute(_of_cpu("custom", "host-model", "host-passthrough", "maximum"))
    match: str | None = attribute(choice("minimum", "exact", "strict"))
    check: str | None = attribute(choice("none", "partial", "full"))
    migratable: bool | None = attribute(ON_OFF)
    model: CpuModel = group(CpuModel)
    vendor: str | None = leaf(STRING)
    topology: Topology = group(Topology)
    cache: CpuCache = group(CpuCache, once=Once(domain=ErrorDomain.CPU))
    maxphysaddr: MaxPhysAddr = group(MaxPhysAddr)
    features: list[CpuFeature] = children(CpuFeature, "feature")
    numa: Numa | None = child(Numa)
