# SPDX-License-Identifier: Apache-2.0
"""Defaults of the guest's own nodes."""

from __future__ import annotations

from virloom.model.cpuset import as_text, numbers_in
from virloom.model.domain import Domain, NumaCell, Sibling
from virloom.model.units import scaled

#: The distance of a node to itself.
LOCAL_DISTANCE = 10


def fill_numa(dom: Domain) -> None:
    """Cells in order with all vCPUs, distances both ways, and the memory that they add up to."""
    cells = dom.numa_cells
    if not cells:
        return
    for number, cell in enumerate(cells):
        if cell.id is None:
            cell.id = number
    cells.sort(key=lambda cell: cell.id or 0)
    _spread_vcpus(cells, dom.vcpu.value or 1)
    _complete_distances(cells)
    for cell in cells:
        for cache in cell.caches:
            # libvirt 9 takes the numbers as they stand, whatever their units say.
            cache.size.unit, cache.line.unit = "KiB", "B"
    assert dom.cpu is not None
    assert dom.cpu.numa is not None
    for link in dom.cpu.numa.interconnects.bandwidths:
        amount = scaled(str(link.value or 0), link.unit, default=1024, limit=(1 << 64) - 1)
        link.value, link.unit = -(-amount // 1024), "KiB"
    nodes = sum(cell.memory or 0 for cell in cells)
    modules = sum(memory.target.size or 0 for memory in dom.devices.memories)
    dom.memory = nodes + modules if nodes else dom.memory


def _spread_vcpus(cells: list[NumaCell], vcpus: int) -> None:
    """vCPUs of no cell are the first one's."""
    placed = {number for cell in cells if cell.cpus for number in numbers_in(cell.cpus)}
    left = [number for number in range(vcpus) if number not in placed]
    if left:
        first = cells[0]
        first.cpus = as_text([*(numbers_in(first.cpus) if first.cpus else ()), *left])


def _complete_distances(cells: list[NumaCell]) -> None:
    given = {
        (cell.id or 0, sibling.id or 0): sibling.value or 0
        for cell in cells
        for sibling in cell.distances.siblings
    }
    complete: dict[tuple[int, int], int] = {}
    for (one, other), value in given.items():
        complete[one, one] = complete[other, other] = LOCAL_DISTANCE
        complete[one, other] = value
        complete.setdefault((other, one), given.get((other, one), value))
    for cell in cells:
        cell.distances.siblings = [
            Sibling(id=other, value=value)
            for (one, other), value in sorted(complete.items())
            if one == cell.id
        ]
