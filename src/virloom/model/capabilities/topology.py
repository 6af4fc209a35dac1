# SPDX-License-Identifier: Apache-2.0
"""``<topology>`` of a host: its NUMA nodes, with their memory and CPUs."""

from __future__ import annotations

from virloom.model.domain.numa import Distances, Interconnects, NumaCache
from virloom.xml.element import Element
from virloom.xml.fields import attribute, children, content, group
from virloom.xml.kinds import STRING, UINT, ULONG


class CellMemory(Element):
    """``<memory unit='KiB'>13854936</memory>``; as the host counts it."""

    unit: str | None = attribute(STRING)
    amount: int | None = content(ULONG)


class CellPages(Element):
    """``<pages unit='KiB' size='2048'>0</pages>``: how many of a size the node has."""

    unit: str | None = attribute(STRING)
    size: int | None = attribute(ULONG)
    count: int | None = content(ULONG)


class CellCpu(Element):
    """``<cpu id='0' socket_id='0' die_id='0' core_id='0' siblings='0'/>``."""

    id: int | None = attribute(UINT)
    socket_id: int | None = attribute(UINT)
    die_id: int | None = attribute(UINT)
    cluster_id: int | None = attribute(UINT, since="10.1.0")
    core_id: int | None = attribute(UINT)
    siblings: str | None = attribute(STRING)


class CellCpus(Element):
    """``<cpus num='2'>``."""

    num: int | None = attribute(UINT)
    cpus: list[CellCpu] = children(CellCpu, "cpu")


class HostCell(Element):
    """``<cell id='0'>``: a NUMA node."""

    id: int | None = attribute(UINT)
    memory: CellMemory = group(CellMemory)
    pages: list[CellPages] = children(CellPages, "pages")
    distances: Distances = group(Distances)
    caches: list[NumaCache] = children(NumaCache, "cache")
    cpus: CellCpus = group(CellCpus)


class HostCells(Element):
    """``<cells num='1'>``."""

    num: int | None = attribute(UINT)
    cells: list[HostCell] = children(HostCell, "cell")


class HostTopology(Element):
    """``<topology>``."""

    cells: HostCells = group(HostCells)
    interconnects: Interconnects = group(Interconnects)
