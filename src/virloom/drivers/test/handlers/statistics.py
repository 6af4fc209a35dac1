# SPDX-License-Identifier: Apache-2.0
"""Statistics of many domains at once."""

from __future__ import annotations

from collections.abc import Iterator

from virloom.drivers.runtime.selection import selected
from virloom.drivers.test.arguments import check_flags
from virloom.drivers.test.domain import Guest
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.handlers.listing import LIST_FILTERS
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import ConnectGetAllDomainStatsFlags, DomainStatsTypes
from virloom.enums.error import ErrorDomain
from virloom.errors import ArgumentUnsupported
from virloom.procedures import domain as p
from virloom.procedures.record import typed_value
from virloom.procedures.types import TypedParam

_Flags = ConnectGetAllDomainStatsFlags
_KNOWN = int(DomainStatsTypes.STATE | DomainStatsTypes.IOTHREAD)
#: Active, inactive, persistent, transient, and the four states.
_SELECTION = 0xFF


class Statistics:
    """The handler of statistics."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    @serves(p.CONNECT_GET_ALL_DOMAIN_STATS)
    def get_all(
        self, call: Call, args: p.ConnectGetAllDomainStatsArgs
    ) -> p.ConnectGetAllDomainStatsRet:
        check_flags(call, args.flags, _SELECTION | _Flags.BACKING | _Flags.ENFORCE_STATS)
        unknown = args.stats & ~_KNOWN
        if unknown and args.flags & _Flags.ENFORCE_STATS:
            raise ArgumentUnsupported(
                f"Stats types bits {unknown:#x} are not supported by this daemon",
                domain=ErrorDomain.TEST,
            )
        if args.doms:
            guests = [self._driver.find(ref) for ref in args.doms]
        else:
            guests = selected(self._driver.guests, args.flags & _SELECTION, LIST_FILTERS)
        wanted = args.stats or _KNOWN  # what is unknown is left out
        return p.ConnectGetAllDomainStatsRet(
            [p.DomainStatsRecord(guest.ref(), list(_figures(guest, wanted))) for guest in guests]
        )


def _figures(guest: Guest, wanted: int) -> Iterator[TypedParam]:
    if wanted & DomainStatsTypes.STATE:
        yield _figure("state.state", "int", int(guest.state))
        yield _figure("state.reason", "int", int(guest.reason))
    threads = guest.iothreads.all
    if wanted & DomainStatsTypes.IOTHREAD and guest.active and threads:
        yield _figure("iothread.count", "uint", len(threads))
        for number, polling in threads.items():
            name = f"iothread.{number}.poll"
            yield _figure(f"{name}-max-ns", "ullong", polling.max_ns)
            yield _figure(f"{name}-grow", "uint", polling.grow)
            yield _figure(f"{name}-shrink", "uint", polling.shrink)


def _figure(name: str, kind: str, value: int) -> TypedParam:
    return TypedParam(name, typed_value(kind, value))
