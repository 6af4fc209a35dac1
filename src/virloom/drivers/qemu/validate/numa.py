# SPDX-License-Identifier: Apache-2.0
"""Checks of the guest's own nodes."""

from __future__ import annotations

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InternalError, XmlError
from virloom.model.cpuset import numbers_in
from virloom.model.domain import Domain, Latency, NumaBandwidth, NumaCell

_LOCAL, _FURTHEST = 10, 255


def check_given_numa(dom: Domain) -> None:
    """Cells from 0 without gaps, each with memory; vCPUs, distances and links that there are."""
    if dom.cpu is None or dom.cpu.numa is None:
        return
    numa = dom.cpu.numa
    cells = numa.cells
    if not cells:
        raise _wrong("there is no cell")
    ids = [number if cell.id is None else cell.id for number, cell in enumerate(cells)]
    if len(set(ids)) != len(ids):
        raise _wrong("two cells have the same id")
    if sorted(ids) != list(range(len(ids))):
        raise _wrong("the ids of its cells do not count from 0")
    for number, cell in zip(ids, cells, strict=True):
        if cell.memory is None:
            raise XmlError(f"cell {number} has no memory", domain=ErrorDomain.XML)
        _distances(number, cell, len(cells))
        _caches(number, cell)
    by_id = dict(zip(ids, cells, strict=True))
    _vcpus(dom, by_id)
    _links([*numa.interconnects.latencies, *numa.interconnects.bandwidths], by_id)


def _wrong(what: str) -> XmlError:
    return XmlError(f"<numa>: {what}", domain=ErrorDomain.DOMAIN)


def _distances(number: int, cell: NumaCell, count: int) -> None:
    for sibling in cell.distances.siblings:
        value = sibling.value or 0
        if (sibling.id or 0) >= count:
            raise _wrong(f"cell {number} has a distance to cell {sibling.id}: there is none")
        if not _LOCAL <= value <= _FURTHEST or (sibling.id == number) != (value == _LOCAL):
            raise _wrong(
                f"the distance from cell {number} to {sibling.id} cannot be {value}: to itself "
                f"it is {_LOCAL}, to others up to {_FURTHEST}"
            )


def _caches(number: int, cell: NumaCell) -> None:
    seen: set[int] = set()
    for cache in cell.caches:
        if not cache.level:
            raise _wrong(f"a cache of cell {number} has no level")
        if cache.level in seen:
            raise _wrong(f"cell {number} has two caches of level {cache.level}")
        seen.add(cache.level)
        if cache.associativity is None or cache.policy is None:
            raise _wrong(f"a cache of cell {number} has no associativity or policy")
        if cache.size.value is None or cache.line.value is None:
            raise XmlError(f"a cache of cell {number} has no size or line", domain=ErrorDomain.XML)


def _vcpus(dom: Domain, cells: dict[int, NumaCell]) -> None:
    seen: set[int] = set()
    most = dom.vcpu.value or 1
    for number, cell in cells.items():
        vcpus = set(numbers_in(cell.cpus)) if cell.cpus else set()
        if vcpus & seen:
            raise ConfigUnsupported(
                f"vCPUs {cell.cpus} of cell {number} are another cell's", domain=ErrorDomain.DOMAIN
            )
        seen |= vcpus
    if seen and max(seen) >= most:
        raise InternalError(
            f"<numa> has {max(seen) + 1} vCPUs, and the guest {most}", domain=ErrorDomain.DOMAIN
        )


def _links(links: list[Latency | NumaBandwidth], cells: dict[int, NumaCell]) -> None:
    seen: set[tuple[object, ...]] = set()
    for link in links:
        initiator, target = link.initiator or 0, link.target or 0
        if initiator not in cells or target not in cells:
            raise _wrong(f"a link from cell {initiator} to {target}, which are not both there")
        if not cells[initiator].cpus:
            raise _wrong(f"cell {initiator} has no vCPUs, so it initiates nothing")
        levels = {cache.level for cache in cells[target].caches}
        if link.cache and link.cache not in levels:
            raise _wrong(f"cell {target} has no cache of level {link.cache}")
        mine = (type(link), link.type, initiator, target, link.cache or 0)
        if mine in seen:
            raise _wrong(f"the link from cell {initiator} to {target} is given twice")
        seen.add(mine)
        seen.add(("pair", initiator, target))
        if initiator != target and ("pair", target, initiator) in seen:
            raise _wrong(f"the link between cells {initiator} and {target} is given both ways")
