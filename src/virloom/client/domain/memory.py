# SPDX-License-Identifier: Apache-2.0
"""The memory of a domain. Amounts are KiB."""

from __future__ import annotations

from typing import Any

from virloom.client.domain.facet import Facet, ParamsToSet, one_of, with_types
from virloom.client.params import ParamValue, decode, fetch
from virloom.enums.domain import DomainMemoryFlags, DomainMemoryModFlags, DomainMemoryStatTags
from virloom.procedures import domain as p

#: The names under which ``virsh dommemstat`` and the Python binding show the tags.
_STAT_NAMES = {
    DomainMemoryStatTags.SWAP_IN: "swap_in",
    DomainMemoryStatTags.SWAP_OUT: "swap_out",
    DomainMemoryStatTags.MAJOR_FAULT: "major_fault",
    DomainMemoryStatTags.MINOR_FAULT: "minor_fault",
    DomainMemoryStatTags.UNUSED: "unused",
    DomainMemoryStatTags.AVAILABLE: "available",
    DomainMemoryStatTags.ACTUAL_BALLOON: "actual",
    DomainMemoryStatTags.RSS: "rss",
    DomainMemoryStatTags.USABLE: "usable",
    DomainMemoryStatTags.LAST_UPDATE: "last_update",
    DomainMemoryStatTags.DISK_CACHES: "disk_caches",
    DomainMemoryStatTags.HUGETLB_PGALLOC: "hugetlb_pgalloc",
    DomainMemoryStatTags.HUGETLB_PGFAIL: "hugetlb_pgfail",
}


class Memory(Facet):
    """``dom.memory``: how much there is, the balloon, limits."""

    async def maximum(self) -> int:
        """The most that the guest can have."""
        args = p.DomainGetMaxMemoryArgs(self._dom)
        return (await self._link.call(p.DOMAIN_GET_MAX_MEMORY, args)).memory

    async def set(self, memory: int, flags: int | None = None) -> None:
        """Gives or takes memory by the balloon.

        Args:
            memory: KiB.
            flags: :class:`~virloom.enums.domain.DomainMemoryModFlags`; None for libvirt's first
                call, which knows the running guest only.
        """
        if flags is not None:
            with_flags = p.DomainSetMemoryFlagsArgs(self._dom, memory, flags)
            await self._link.call(p.DOMAIN_SET_MEMORY_FLAGS, with_flags)
        else:
            await self._link.call(p.DOMAIN_SET_MEMORY, p.DomainSetMemoryArgs(self._dom, memory))

    async def set_maximum(self, memory: int, flags: int | None = None) -> None:
        """Changes the most that it can have; *flags* as in :meth:`set`."""
        if flags is not None:
            await self.set(memory, flags | DomainMemoryModFlags.MAXIMUM)
        else:
            args = p.DomainSetMaxMemoryArgs(self._dom, memory)
            await self._link.call(p.DOMAIN_SET_MAX_MEMORY, args)

    async def stats(self) -> dict[str, int]:
        """What the balloon and the host know, by the names that virsh shows."""
        args = p.DomainMemoryStatsArgs(self._dom, DomainMemoryStatTags.NR)
        ret = await self._link.call(p.DOMAIN_MEMORY_STATS, args)
        return {_stat_name(one.tag): one.val for one in ret.stats}

    async def set_stats_period(self, seconds: int, flags: int = 0) -> None:
        """How often the balloon asks the guest; 0 for never."""
        args = p.DomainSetMemoryStatsPeriodArgs(self._dom, seconds, flags)
        await self._link.call(p.DOMAIN_SET_MEMORY_STATS_PERIOD, args)

    async def start_dirty_rate(self, seconds: int = 1, flags: int = 0) -> None:
        """Measures for *seconds* (1 to 60) how much memory the guest changes.

        The result is among the statistics of the group DIRTYRATE.
        """
        args = p.DomainStartDirtyRateCalcArgs(self._dom, seconds, flags)
        await self._link.call(p.DOMAIN_START_DIRTY_RATE_CALC, args)

    async def peek(self, offset: int, size: int, flags: int = DomainMemoryFlags.VIRTUAL) -> bytes:
        """Reads the guest's memory (:class:`~virloom.enums.domain.DomainMemoryFlags`)."""
        args = p.DomainMemoryPeekArgs(self._dom, offset, size, flags)
        return (await self._link.call(p.DOMAIN_MEMORY_PEEK, args)).buffer

    async def parameters(self, flags: int = 0) -> dict[str, ParamValue]:
        """The limits of the guest's memory on the host."""
        return decode(await fetch(lambda n: self._parameters(n, flags)))

    async def set_parameters(self, values: ParamsToSet, flags: int = 0) -> None:
        """Sets some of them."""
        params = await with_types(values, lambda n: self._parameters(n, one_of(flags)))
        args = p.DomainSetMemoryParametersArgs(self._dom, params, flags)
        await self._link.call(p.DOMAIN_SET_MEMORY_PARAMETERS, args)

    async def numa_parameters(self, flags: int = 0) -> dict[str, ParamValue]:
        """On which of the host's nodes it lies."""
        return decode(await fetch(lambda n: self._numa(n, flags)))

    async def set_numa_parameters(self, values: ParamsToSet, flags: int = 0) -> None:
        """Sets some of it."""
        params = await with_types(values, lambda n: self._numa(n, one_of(flags)))
        args = p.DomainSetNumaParametersArgs(self._dom, params, flags)
        await self._link.call(p.DOMAIN_SET_NUMA_PARAMETERS, args)

    async def _parameters(self, number: int, flags: int) -> Any:
        args = p.DomainGetMemoryParametersArgs(self._dom, number, flags)
        return await self._link.call(p.DOMAIN_GET_MEMORY_PARAMETERS, args)

    async def _numa(self, number: int, flags: int) -> Any:
        args = p.DomainGetNumaParametersArgs(self._dom, number, flags)
        return await self._link.call(p.DOMAIN_GET_NUMA_PARAMETERS, args)


def _stat_name(tag: int) -> str:
    try:
        return _STAT_NAMES[DomainMemoryStatTags(tag)]
    except (KeyError, ValueError):  # a newer host has more of them
        return f"tag{tag}"
