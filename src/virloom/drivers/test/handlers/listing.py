# SPDX-License-Identifier: Apache-2.0
"""Which domains there are, and in what state."""

from __future__ import annotations

import time

from virloom.drivers.runtime.arguments import LIST_MAX, check_room
from virloom.drivers.runtime.selection import Filters, selected
from virloom.drivers.test.arguments import check_flags, require_active
from virloom.drivers.test.domain import Guest
from virloom.drivers.test.driver import InMemoryDriver
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import ConnectListAllDomainsFlags, DomainControlState, DomainState
from virloom.enums.error import ErrorDomain
from virloom.errors import NoDomain
from virloom.procedures import domain as p
from virloom.procedures.record import Void

_Flags = ConnectListAllDomainsFlags
_COMMON = (DomainState.RUNNING, DomainState.PAUSED, DomainState.SHUTOFF)

LIST_FILTERS: Filters[Guest] = (
    {_Flags.ACTIVE: lambda guest: guest.active, _Flags.INACTIVE: lambda guest: not guest.active},
    {
        _Flags.PERSISTENT: lambda guest: guest.persistent,
        _Flags.TRANSIENT: lambda guest: not guest.persistent,
    },
    {
        _Flags.RUNNING: lambda guest: guest.state == DomainState.RUNNING,
        _Flags.PAUSED: lambda guest: guest.state == DomainState.PAUSED,
        _Flags.SHUTOFF: lambda guest: guest.state == DomainState.SHUTOFF,
        _Flags.OTHER: lambda guest: guest.state not in _COMMON,
    },
    {
        _Flags.MANAGEDSAVE: lambda guest: guest.saved,
        _Flags.NO_MANAGEDSAVE: lambda guest: not guest.saved,
    },
    {
        _Flags.AUTOSTART: lambda guest: guest.autostart,
        _Flags.NO_AUTOSTART: lambda guest: not guest.autostart,
    },
    {
        _Flags.HAS_SNAPSHOT: lambda guest: len(guest.snapshots) > 0,
        _Flags.NO_SNAPSHOT: lambda guest: not len(guest.snapshots),
    },
    {
        _Flags.HAS_CHECKPOINT: lambda guest: len(guest.checkpoints) > 0,
        _Flags.NO_CHECKPOINT: lambda guest: not len(guest.checkpoints),
    },
)
LIST_FLAGS = sum(flag for group in LIST_FILTERS for flag in group)


class Listing:
    """Handlers that list, look up and tell the state."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    def _selected(self, flags: int) -> list[Guest]:
        return selected(self._driver.guests, flags, LIST_FILTERS)

    @serves(p.CONNECT_LIST_ALL_DOMAINS)
    def list_all(self, call: Call, args: p.ConnectListAllDomainsArgs) -> p.ConnectListAllDomainsRet:
        check_flags(call, args.flags, LIST_FLAGS)
        guests = self._selected(args.flags)
        refs = [guest.ref() for guest in guests] if args.need_results else []
        return p.ConnectListAllDomainsRet(refs, len(guests))

    @serves(p.CONNECT_NUM_OF_DOMAINS)
    def num_of(self, call: Call, args: Void) -> p.ConnectNumOfDomainsRet:
        return p.ConnectNumOfDomainsRet(len(self._selected(_Flags.ACTIVE)))

    @serves(p.CONNECT_LIST_DOMAINS)
    def list_ids(self, call: Call, args: p.ConnectListDomainsArgs) -> p.ConnectListDomainsRet:
        check_room("maxids", args.maxids, LIST_MAX, "REMOTE_DOMAIN_LIST_MAX")
        ids = [guest.id for guest in self._selected(_Flags.ACTIVE)]
        return p.ConnectListDomainsRet(ids[: args.maxids])

    @serves(p.CONNECT_NUM_OF_DEFINED_DOMAINS)
    def num_of_defined(self, call: Call, args: Void) -> p.ConnectNumOfDefinedDomainsRet:
        return p.ConnectNumOfDefinedDomainsRet(len(self._selected(_Flags.INACTIVE)))

    @serves(p.CONNECT_LIST_DEFINED_DOMAINS)
    def list_defined(
        self, call: Call, args: p.ConnectListDefinedDomainsArgs
    ) -> p.ConnectListDefinedDomainsRet:
        check_room("maxnames", args.maxnames, LIST_MAX, "REMOTE_DOMAIN_LIST_MAX")
        names = [guest.name for guest in self._selected(_Flags.INACTIVE)]
        return p.ConnectListDefinedDomainsRet(names[: args.maxnames])

    @serves(p.DOMAIN_LOOKUP_BY_ID)
    def by_id(self, call: Call, args: p.DomainLookupByIdArgs) -> p.DomainLookupByIdRet:
        for guest in self._driver.guests:
            if guest.active and guest.id == args.id:
                return p.DomainLookupByIdRet(guest.ref())
        raise NoDomain(domain=ErrorDomain.TEST)

    @serves(p.DOMAIN_LOOKUP_BY_NAME)
    def by_name(self, call: Call, args: p.DomainLookupByNameArgs) -> p.DomainLookupByNameRet:
        guest = self._driver.guests.by_name(args.name)
        if guest is None:
            raise NoDomain(domain=ErrorDomain.TEST)
        return p.DomainLookupByNameRet(guest.ref())

    @serves(p.DOMAIN_LOOKUP_BY_UUID)
    def by_uuid(self, call: Call, args: p.DomainLookupByUUIDArgs) -> p.DomainLookupByUUIDRet:
        guest = self._driver.guests.by_uuid(args.uuid)
        if guest is None:
            raise NoDomain(domain=ErrorDomain.TEST)
        return p.DomainLookupByUUIDRet(guest.ref())

    @serves(p.DOMAIN_IS_ACTIVE)
    def is_active(self, call: Call, args: p.DomainIsActiveArgs) -> p.DomainIsActiveRet:
        return p.DomainIsActiveRet(int(self._driver.find(args.dom).active))

    @serves(p.DOMAIN_IS_PERSISTENT)
    def is_persistent(self, call: Call, args: p.DomainIsPersistentArgs) -> p.DomainIsPersistentRet:
        return p.DomainIsPersistentRet(int(self._driver.find(args.dom).persistent))

    @serves(p.DOMAIN_IS_UPDATED)
    def is_updated(self, call: Call, args: p.DomainIsUpdatedArgs) -> p.DomainIsUpdatedRet:
        """Never: nothing is hotplugged."""
        self._driver.find(args.dom)
        return p.DomainIsUpdatedRet(0)

    @serves(p.DOMAIN_GET_STATE)
    def get_state(self, call: Call, args: p.DomainGetStateArgs) -> p.DomainGetStateRet:
        check_flags(call, args.flags)
        guest = self._driver.find(args.dom)
        return p.DomainGetStateRet(int(guest.state), int(guest.reason))

    @serves(p.DOMAIN_GET_CONTROL_INFO)
    def get_control_info(
        self, call: Call, args: p.DomainGetControlInfoArgs
    ) -> p.DomainGetControlInfoRet:
        check_flags(call, args.flags)
        require_active(self._driver.find(args.dom))
        return p.DomainGetControlInfoRet(int(DomainControlState.OK), 0, 0)

    @serves(p.DOMAIN_GET_OS_TYPE)
    def get_os_type(self, call: Call, args: p.DomainGetOsTypeArgs) -> p.DomainGetOsTypeRet:
        """The same for all, whatever they say."""
        return p.DomainGetOsTypeRet("linux")

    @serves(p.DOMAIN_GET_INFO)
    def get_info(self, call: Call, args: p.DomainGetInfoArgs) -> p.DomainGetInfoRet:
        """Every domain has used as much processor time as the clock shows."""
        guest = self._driver.find(args.dom)
        model = guest.model
        return p.DomainGetInfoRet(
            state=int(guest.state),
            max_mem=model.memory,
            memory=model.current_memory or model.memory,
            nr_virt_cpu=model.vcpu.current or model.vcpu.value or 1,
            cpu_time=time.time_ns() // 1000 * 1000,
        )
