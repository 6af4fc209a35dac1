# SPDX-License-Identifier: Apache-2.0
"""Checks of ``<cachetune>`` and ``<memorytune>``, which the host's resctrl divides up."""

from __future__ import annotations

from collections.abc import Sequence

from virloom.enums.error import ErrorDomain
from virloom.errors import ConfigUnsupported, InvalidArg, XmlError
from virloom.model.cpuset import numbers_in
from virloom.model.domain import CacheMonitor, Cachetune, Domain, MemoryMonitor, Memorytune

_MONITORED_LEVEL = 3
_WHOLE = 100


def check_given_resctrl(dom: Domain) -> None:
    """That no part is given twice and each group has its own vCPUs."""
    for cachetune in dom.cputune.cachetunes:
        _caches(cachetune)
    for memorytune in dom.cputune.memorytunes:
        _bandwidths(memorytune)
    _groups(dom)
    vcpus = set(range(dom.vcpu.value or 1))
    groups: list[Cachetune | Memorytune] = [*dom.cputune.cachetunes, *dom.cputune.memorytunes]
    for group in groups:
        _monitors(set(numbers_in(group.vcpus or "0")) & vcpus, group.monitors)


def _caches(group: Cachetune) -> None:
    kinds: dict[tuple[int | None, int | None], set[str | None]] = {}
    for cache in group.caches:
        taken = kinds.setdefault((cache.level, cache.id), set())
        if cache.type in taken or "both" in taken or (taken and cache.type == "both"):
            raise XmlError(
                f"cache {cache.id} of level {cache.level}, '{cache.type}', is given twice",
                domain=ErrorDomain.RESCTRL,
            )
        taken.add(cache.type)


def _bandwidths(group: Memorytune) -> None:
    seen: set[int | None] = set()
    for node in group.nodes:
        if (node.bandwidth or 0) > _WHOLE:
            raise XmlError(
                f"memory bandwidth {node.bandwidth} of node {node.id} is over {_WHOLE} percent",
                domain=ErrorDomain.RESCTRL,
            )
        if node.id in seen:
            raise XmlError(
                f"the memory bandwidth of node {node.id} is given twice",
                domain=ErrorDomain.RESCTRL,
            )
        seen.add(node.id)


def _groups(dom: Domain) -> None:
    """A <cachetune> and a <memorytune> may be of the same vCPUs; otherwise none overlap."""
    seen: list[tuple[str, set[int]]] = []
    vcpus = set(range(dom.vcpu.value or 1))
    tune = dom.cputune
    for name, found in (("cachetune", tune.cachetunes), ("memorytune", tune.memorytunes)):
        for group in found:
            if group.vcpus is None:
                raise XmlError(f"<{name}> has no vcpus", domain=ErrorDomain.DOMAIN)
            mine = set(numbers_in(group.vcpus)) & vcpus
            for other, theirs in seen:
                if mine & theirs and (other == name or mine != theirs):
                    raise XmlError(
                        f"vCPUs {group.vcpus} of <{name}> are in another group already",
                        domain=ErrorDomain.DOMAIN,
                    )
            seen.append((name, mine))


def _monitors(vcpus: set[int], monitors: Sequence[CacheMonitor | MemoryMonitor]) -> None:
    seen: set[int] = set()
    for monitor in monitors:
        if isinstance(monitor, CacheMonitor) and monitor.level != _MONITORED_LEVEL:
            raise XmlError(
                f"a monitor is of cache level {_MONITORED_LEVEL}, not {monitor.level}",
                domain=ErrorDomain.DOMAIN,
            )
        mine = set(numbers_in(monitor.vcpus)) if monitor.vcpus is not None else set()
        # The group's own monitor counts all of its vCPUs, whatever others count of them.
        if mine == vcpus:
            continue
        if not mine or not mine <= vcpus or mine & seen:
            raise InvalidArg(
                f"vCPUs '{monitor.vcpus}' of a monitor are not the group's, or counted twice",
                domain=ErrorDomain.DOMAIN,
            )
        seen |= mine


def check_resctrl(dom: Domain) -> None:
    """Only threads of KVM can be told apart by resctrl."""
    tune = dom.cputune
    if (tune.cachetunes or tune.memorytunes) and dom.type != "kvm":
        raise ConfigUnsupported(
            "<cachetune> and <memorytune> are for KVM guests only", domain=ErrorDomain.QEMU
        )
