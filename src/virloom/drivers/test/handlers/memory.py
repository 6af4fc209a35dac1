# SPDX-License-Identifier: Apache-2.0
"""The memory of domains."""

from __future__ import annotations

from virloom.drivers.runtime.arguments import senseless
from virloom.drivers.test.arguments import (
    IMPACT,
    LIVE,
    check_flags,
    document,
    documents,
    require_active,
)
from virloom.drivers.test.domain import Guest
from virloom.drivers.test.driver import InMemoryDriver
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainMemoryFlags, DomainMemoryModFlags, DomainMemoryStatTags
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg, OperationInvalid
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain

_Tag = DomainMemoryStatTags
_MAXIMUM = int(DomainMemoryModFlags.MAXIMUM)
#: When the balloon was asked last; always the same.
_LAST_UPDATE = 627319920


class Memory:
    """Handlers of memory."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_GET_MAX_MEMORY)
    def get_max_memory(self, call: Call, args: p.DomainGetMaxMemoryArgs) -> p.DomainGetMaxMemoryRet:
        return p.DomainGetMaxMemoryRet(self._driver.find(args.dom).model.memory)

    @serves(p.DOMAIN_SET_MAX_MEMORY)
    def set_max_memory(self, call: Call, args: p.DomainSetMaxMemoryArgs) -> None:
        self._set(call, args.dom, args.memory, _MAXIMUM, "virDomainSetMaxMemory")

    @serves(p.DOMAIN_SET_MEMORY)
    def set_memory(self, call: Call, args: p.DomainSetMemoryArgs) -> None:
        self._set(call, args.dom, args.memory, LIVE, "virDomainSetMemory")

    @serves(p.DOMAIN_SET_MEMORY_FLAGS)
    def set_memory_flags(self, call: Call, args: p.DomainSetMemoryFlagsArgs) -> None:
        self._set(call, args.dom, args.memory, args.flags, "virDomainSetMemoryFlags")

    def _set(self, call: Call, ref: NonnullDomain, memory: int, flags: int, api: str) -> None:
        if not memory:
            raise senseless(f"memory in {api} must not be zero")
        check_flags(call, flags, IMPACT | _MAXIMUM, function="testDomainSetMemoryFlags")
        guest = self._driver.find(ref)
        model = document(guest, flags)
        if flags & _MAXIMUM:
            if guest.active and model is guest.live:
                raise OperationInvalid(
                    "cannot resize the maximum memory on an active domain", domain=ErrorDomain.TEST
                )
            model.memory = memory
            return
        if memory > model.memory:
            raise InvalidArg("cannot set memory higher than max memory", domain=ErrorDomain.TEST)
        model.current_memory = memory

    @serves(p.DOMAIN_MEMORY_STATS)
    def memory_stats(self, call: Call, args: p.DomainMemoryStatsArgs) -> p.DomainMemoryStatsRet:
        """Of a domain with a balloon."""
        check_flags(call, args.flags)
        guest = self._driver.find(args.dom)
        require_active(guest)
        stats = [p.DomainMemoryStat(int(tag), value) for tag, value in _figures(guest).items()]
        return p.DomainMemoryStatsRet(stats[: args.max_stats])

    @serves(p.DOMAIN_SET_MEMORY_STATS_PERIOD)
    def set_stats_period(self, call: Call, args: p.DomainSetMemoryStatsPeriodArgs) -> None:
        if args.period < 0:
            raise senseless("period in virDomainSetMemoryStatsPeriod must be zero or greater")
        check_flags(call, args.flags, IMPACT)
        guest = self._driver.find(args.dom)
        for model in documents(guest, args.flags):
            if model is None:
                continue
            balloon = model.devices.memballoon
            if balloon is None or balloon.model in (None, "none"):
                raise InternalError(
                    "No memory balloon device configured, can not set the collection period",
                    domain=ErrorDomain.TEST,
                )
            balloon.stats.period = args.period or None

    @serves(p.DOMAIN_MEMORY_PEEK)
    def memory_peek(self, call: Call, args: p.DomainMemoryPeekArgs) -> p.DomainMemoryPeekRet:
        """Every byte is its own address, as far as it has room for it."""
        check_flags(call, args.flags, DomainMemoryFlags.VIRTUAL | DomainMemoryFlags.PHYSICAL)
        require_active(self._driver.find(args.dom))
        start = args.offset % 256
        pattern = bytes(range(256)) * (args.size // 256 + 2)
        return p.DomainMemoryPeekRet(pattern[start : start + args.size])


def _figures(guest: Guest) -> dict[int, int]:
    balloon = guest.model.devices.memballoon
    if balloon is None or balloon.model in (None, "none"):
        return {}
    size = guest.model.current_memory or guest.model.memory
    return {
        _Tag.ACTUAL_BALLOON: size,
        _Tag.SWAP_IN: 0,
        _Tag.SWAP_OUT: 0,
        _Tag.MAJOR_FAULT: 0,
        _Tag.MINOR_FAULT: 0,
        _Tag.UNUSED: size // 2,
        _Tag.AVAILABLE: size,
        _Tag.USABLE: size // 2,
        _Tag.LAST_UPDATE: _LAST_UPDATE,
        _Tag.DISK_CACHES: size // 8,
        _Tag.HUGETLB_PGALLOC: 0,
        _Tag.HUGETLB_PGFAIL: 0,
        _Tag.RSS: size // 2,
    }
