# SPDX-License-Identifier: Apache-2.0
"""The guest's own nodes: ``-numa``."""

from __future__ import annotations

from virloom.drivers.qemu.command.arguments import keyval
from virloom.drivers.qemu.command.assembly import Assembly
from virloom.drivers.qemu.command.memory import backend, started_with
from virloom.model.domain import Domain, Interconnects, Latency, NumaBandwidth, NumaCache, NumaCell

#: What QEMU takes between cells that no distance is given for.
_REMOTE_DISTANCE = 20
_LEVELS = ("memory", "first-level", "second-level", "third-level")
_ASSOCIATIVITIES = {"none": "none", "direct": "direct", "full": "complex"}
_POLICIES = {"none": "none", "writeback": "write-back", "writethrough": "write-through"}


def uses_hmat(dom: Domain) -> bool:
    """Whether the guest is told of caches and speeds, for which the machine has a switch."""
    numa = dom.cpu.numa if dom.cpu is not None else None
    if numa is None:
        return False
    links = numa.interconnects
    return bool(links.latencies or links.bandwidths) or any(cell.caches for cell in numa.cells)


def add_numa(assembly: Assembly) -> None:
    """Each node with its memory and vCPUs, then distances, speeds and caches."""
    numa = assembly.dom.cpu.numa if assembly.dom.cpu is not None else None
    if numa is None:
        return
    args = assembly.args
    hmat = uses_hmat(assembly.dom)
    for cell in numa.cells:
        name = f"ram-node{cell.id}"
        args.object(backend(assembly, name, started_with(cell.memory or 0), cell))
        pairs: list[tuple[str, object]] = [("nodeid", cell.id)]
        pairs += [("cpus", part) for part in (cell.cpus or "").split(",") if part]
        if hmat:
            pairs.append(("initiator", _initiator(cell, numa.interconnects)))
        args.option("numa", f"node,{keyval([*pairs, ('memdev', name)])}")
    _distances(assembly, numa.cells)
    if hmat:
        _speeds(assembly, numa.interconnects)
        for cell in numa.cells:
            for cache in cell.caches:
                args.option("numa", f"hmat-cache,{keyval(_cache(cell, cache))}")


def _initiator(cell: NumaCell, links: Interconnects) -> int | None:
    """The node whose vCPUs are nearest to this memory: its own, or those on the fastest way."""
    if cell.cpus:
        return cell.id
    fastest = sorted(
        (link.value or 0, link.initiator or 0)
        for link in links.latencies
        if link.target == cell.id and not link.cache
    )
    widest = sorted(
        (-(link.value or 0), link.initiator or 0)
        for link in links.bandwidths
        if link.target == cell.id and not link.cache
    )
    return (fastest or widest or [(0, 0)])[0][1]


def _distances(assembly: Assembly, cells: list[NumaCell]) -> None:
    known = {
        (cell.id, sibling.id): sibling.value
        for cell in cells
        for sibling in cell.distances.siblings
    }
    if not known:
        return
    for one in cells:
        for other in cells:
            far = 10 if one is other else _REMOTE_DISTANCE
            value = known.get((one.id, other.id), far)
            pairs = (("src", one.id), ("dst", other.id), ("val", value))
            assembly.args.option("numa", f"dist,{keyval(pairs)}")


def _speeds(assembly: Assembly, links: Interconnects) -> None:
    for latency in links.latencies:
        pairs = [*_link(latency, "latency"), ("latency", latency.value)]
        assembly.args.option("numa", f"hmat-lb,{keyval(pairs)}")
    for bandwidth in links.bandwidths:
        pairs = [*_link(bandwidth, "bandwidth"), ("bandwidth", f"{bandwidth.value}K")]
        assembly.args.option("numa", f"hmat-lb,{keyval(pairs)}")


def _link(link: Latency | NumaBandwidth, what: str) -> list[tuple[str, object]]:
    return [
        ("initiator", link.initiator),
        ("target", link.target),
        ("hierarchy", _LEVELS[min(link.cache or 0, len(_LEVELS) - 1)]),
        ("data-type", f"{link.type}-{what}"),
    ]


def _cache(cell: NumaCell, cache: NumaCache) -> list[tuple[str, object]]:
    return [
        ("node-id", cell.id),
        ("size", f"{cache.size.value}K"),
        ("level", cache.level),
        ("associativity", _ASSOCIATIVITIES[cache.associativity or "none"]),
        ("policy", _POLICIES[cache.policy or "none"]),
        ("line", cache.line.value),
    ]
