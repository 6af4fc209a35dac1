# SPDX-License-Identifier: Apache-2.0
"""Which domains there are."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from virloom.drivers.qemu.checkpoints.known import count_checkpoints
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import (
    LIST_MAX,
    check_flags,
    check_room,
    senseless,
)
from virloom.drivers.qemu.saving.managed import has_managed
from virloom.drivers.qemu.snapshots.store import has_snapshots
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import (
    ConnectListAllDomainsFlags,
    DomainState,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import NoDomain
from virloom.procedures import domain as p
from virloom.procedures.record import Void

_Flags = ConnectListAllDomainsFlags

#: Flags come in groups: a domain must match one flag of each group that has any.
_FILTERS: tuple[dict[int, Callable[[QemuDriver, Guest], bool]], ...] = (
    {
        _Flags.ACTIVE: lambda driver, guest: guest.active,
        _Flags.INACTIVE: lambda driver, guest: not guest.active,
    },
    {
        _Flags.PERSISTENT: lambda driver, guest: guest.persistent,
        _Flags.TRANSIENT: lambda driver, guest: not guest.persistent,
    },
    {
        _Flags.RUNNING: lambda driver, guest: guest.state == DomainState.RUNNING,
        _Flags.PAUSED: lambda driver, guest: guest.state == DomainState.PAUSED,
        _Flags.SHUTOFF: lambda driver, guest: guest.state == DomainState.SHUTOFF,
        _Flags.OTHER: lambda driver, guest: (
            guest.state not in (DomainState.RUNNING, DomainState.PAUSED, DomainState.SHUTOFF)
        ),
    },
    {
        _Flags.MANAGEDSAVE: has_managed,
        _Flags.NO_MANAGEDSAVE: lambda driver, guest: not has_managed(driver, guest),
    },
    {
        _Flags.AUTOSTART: lambda driver, guest: driver.store.autostarts(guest.name),
        _Flags.NO_AUTOSTART: lambda driver, guest: not driver.store.autostarts(guest.name),
    },
    {
        _Flags.HAS_SNAPSHOT: has_snapshots,
        _Flags.NO_SNAPSHOT: lambda driver, guest: not has_snapshots(driver, guest),
    },
    {
        _Flags.HAS_CHECKPOINT: lambda driver, guest: count_checkpoints(driver, guest) > 0,
        _Flags.NO_CHECKPOINT: lambda driver, guest: count_checkpoints(driver, guest) == 0,
    },
)

_KNOWN = sum(flag for group in _FILTERS for flag in group)


def selected(driver: QemuDriver, flags: int) -> list[Guest]:
    """The domains that match *flags* of ``virConnectListAllDomains``; all without a flag.

    A transient domain that is still being started is nobody's yet.
    """
    if not flags:
        return [guest for guest in driver.guests if guest.known]
    wanted = [[test for flag, test in group.items() if flags & flag] for group in _FILTERS]
    return [
        guest
        for guest in driver.guests
        if guest.known
        and all(any(test(driver, guest) for test in tests) for tests in wanted if tests)
    ]


class Listing:
    """Handlers that list and look up domains."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.CONNECT_LIST_ALL_DOMAINS)
    def list_all(self, call: Call, args: p.ConnectListAllDomainsArgs) -> p.ConnectListAllDomainsRet:
        check_flags(call, args.flags, _KNOWN)
        guests = selected(self._driver, args.flags)
        refs = [guest.ref() for guest in guests] if args.need_results else []
        return p.ConnectListAllDomainsRet(refs, len(guests))

    @serves(p.CONNECT_NUM_OF_DOMAINS)
    def num_of(self, call: Call, args: Void) -> p.ConnectNumOfDomainsRet:
        return p.ConnectNumOfDomainsRet(len(selected(self._driver, _Flags.ACTIVE)))

    @serves(p.CONNECT_LIST_DOMAINS)
    def list_ids(self, call: Call, args: p.ConnectListDomainsArgs) -> p.ConnectListDomainsRet:
        check_room("maxids", args.maxids, LIST_MAX, "REMOTE_DOMAIN_LIST_MAX")
        ids = [guest.id for guest in selected(self._driver, _Flags.ACTIVE)]
        return p.ConnectListDomainsRet(ids[: args.maxids])

    @serves(p.CONNECT_NUM_OF_DEFINED_DOMAINS)
    def num_of_defined(self, call: Call, args: Void) -> p.ConnectNumOfDefinedDomainsRet:
        return p.ConnectNumOfDefinedDomainsRet(len(selected(self._driver, _Flags.INACTIVE)))

    @serves(p.CONNECT_LIST_DEFINED_DOMAINS)
    def list_defined(
        self, call: Call, args: p.ConnectListDefinedDomainsArgs
    ) -> p.ConnectListDefinedDomainsRet:
        check_room("maxnames", args.maxnames, LIST_MAX, "REMOTE_DOMAIN_LIST_MAX")
        names = [guest.name for guest in selected(self._driver, _Flags.INACTIVE)]
        return p.ConnectListDefinedDomainsRet(names[: args.maxnames])

    @serves(p.DOMAIN_LOOKUP_BY_ID)
    def by_id(self, call: Call, args: p.DomainLookupByIdArgs) -> p.DomainLookupByIdRet:
        if args.id < 0:
            raise senseless("id in virDomainLookupByID must be zero or greater")
        for guest in self._driver.guests:
            if guest.active and guest.id == args.id:
                return p.DomainLookupByIdRet(guest.ref())
        raise NoDomain(f"no domain with matching id {args.id}", domain=ErrorDomain.QEMU)

    @serves(p.DOMAIN_LOOKUP_BY_NAME)
    def by_name(self, call: Call, args: p.DomainLookupByNameArgs) -> p.DomainLookupByNameRet:
        guest = self._driver.guests.by_name(args.name)
        if guest is None or not guest.known:
            raise NoDomain(f"no domain with matching name '{args.name}'", domain=ErrorDomain.QEMU)
        return p.DomainLookupByNameRet(guest.ref())

    @serves(p.DOMAIN_LOOKUP_BY_UUID)
    def by_uuid(self, call: Call, args: p.DomainLookupByUUIDArgs) -> p.DomainLookupByUUIDRet:
        guest = self._driver.guests.by_uuid(args.uuid)
        if guest is None or not guest.known:
            text = uuid.UUID(bytes=args.uuid)
            raise NoDomain(f"no domain with matching uuid '{text}'", domain=ErrorDomain.QEMU)
        return p.DomainLookupByUUIDRet(guest.ref())
