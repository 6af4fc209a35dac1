# SPDX-License-Identifier: Apache-2.0
"""Which domains there are, and what is known of each without asking QEMU."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from virloom.drivers.qemu.agent.access import asking
from virloom.drivers.qemu.agent.processors import processors
from virloom.drivers.qemu.checkpoints.known import count_checkpoints
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import (
    LIST_MAX,
    check_exclusive,
    check_flags,
    check_room,
    senseless,
)
from virloom.drivers.qemu.saving.managed import has_managed
from virloom.drivers.qemu.snapshots.store import has_snapshots
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import (
    ConnectListAllDomainsFlags,
    DomainControlErrorReason,
    DomainControlState,
    DomainState,
)
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, NoDomain
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
    """Handlers that list, look up and describe domains."""

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

    @serves(p.DOMAIN_IS_ACTIVE)
    def is_active(self, call: Call, args: p.DomainIsActiveArgs) -> p.DomainIsActiveRet:
        return p.DomainIsActiveRet(int(self._driver.find(args.dom).active))

    @serves(p.DOMAIN_IS_PERSISTENT)
    def is_persistent(self, call: Call, args: p.DomainIsPersistentArgs) -> p.DomainIsPersistentRet:
        return p.DomainIsPersistentRet(int(self._driver.find(args.dom).persistent))

    @serves(p.DOMAIN_IS_UPDATED)
    def is_updated(self, call: Call, args: p.DomainIsUpdatedArgs) -> p.DomainIsUpdatedRet:
        return p.DomainIsUpdatedRet(int(self._driver.find(args.dom).updated))

    @serves(p.DOMAIN_GET_STATE)
    def get_state(self, call: Call, args: p.DomainGetStateArgs) -> p.DomainGetStateRet:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        return p.DomainGetStateRet(int(guest.state), int(guest.reason))

    @serves(p.DOMAIN_GET_CONTROL_INFO)
    def get_control_info(
        self, call: Call, args: p.DomainGetControlInfoArgs
    ) -> p.DomainGetControlInfoRet:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        running = guest.require_running()
        if running.monitor_error is not None:
            reason = int(DomainControlErrorReason.MONITOR)
            return p.DomainGetControlInfoRet(int(DomainControlState.ERROR), reason, 0)
        if guest.jobs.owner is not None:
            since = int(guest.jobs.held_for * 1000)
            return p.DomainGetControlInfoRet(int(DomainControlState.OCCUPIED), 0, since)
        return p.DomainGetControlInfoRet(int(DomainControlState.OK), 0, 0)

    @serves(p.DOMAIN_GET_OS_TYPE)
    def get_os_type(self, call: Call, args: p.DomainGetOsTypeArgs) -> p.DomainGetOsTypeRet:
        return p.DomainGetOsTypeRet(self._driver.find(args.dom).model.os.type.value or "hvm")

    @serves(p.DOMAIN_GET_INFO)
    def get_info(self, call: Call, args: p.DomainGetInfoArgs) -> p.DomainGetInfoRet:
        guest = self._driver.find(args.dom)
        model = guest.model
        user, system = guest.running.cpu_times() if guest.running is not None else (0, 0)
        return p.DomainGetInfoRet(
            state=int(guest.state),
            max_mem=model.memory or 0,
            memory=(model.current_memory or model.memory or 0),
            nr_virt_cpu=current_vcpus(guest),
            cpu_time=user + system,
        )

    @serves(p.DOMAIN_GET_MAX_MEMORY)
    def get_max_memory(self, call: Call, args: p.DomainGetMaxMemoryArgs) -> p.DomainGetMaxMemoryRet:
        return p.DomainGetMaxMemoryRet(self._driver.find(args.dom).model.memory or 0)

    @serves(p.DOMAIN_GET_MAX_VCPUS)
    def get_max_vcpus(self, call: Call, args: p.DomainGetMaxVcpusArgs) -> p.DomainGetMaxVcpusRet:
        """Of a running domain, as with libvirt; of another one, GET_VCPUS_FLAGS tells."""
        guest = self._driver.find(args.dom)
        guest.require_running()
        return p.DomainGetMaxVcpusRet(max_vcpus(guest))

    @serves(p.DOMAIN_GET_VCPUS_FLAGS)
    async def get_vcpus_flags(
        self, call: Call, args: p.DomainGetVcpusFlagsArgs
    ) -> p.DomainGetVcpusFlagsRet:
        # VIR_DOMAIN_AFFECT_LIVE 1, CONFIG 2, VCPU_MAXIMUM 4, VCPU_GUEST 8
        check_exclusive(args.flags)
        check_flags(call, args.flags, 1 | 2 | 4 | 8)
        guest = self._driver.find(args.dom)
        if args.flags & 8 and not guest.active:
            raise InvalidArg(
                "vCPU count provided by the guest agent can only be requested for live domains",
                domain=ErrorDomain.QEMU,
            )
        if args.flags & 8:
            return p.DomainGetVcpusFlagsRet(await self._told_vcpus(call, guest, args.flags))
        if args.flags & 1:
            guest.require_running()
        model = guest.persistent_model() if args.flags & 2 else guest.model
        maximum = model.vcpu.value or 1
        current = model.vcpu.current or maximum
        return p.DomainGetVcpusFlagsRet(maximum if args.flags & 4 else current)

    async def _told_vcpus(self, call: Call, guest: Guest, flags: int) -> int:
        """How many the guest has, or uses, as its agent tells."""
        async with asking(guest, Job.QUERY, call.procedure.name) as asked:
            cpus = await processors(asked)
        return len(cpus) if flags & 4 else sum(cpu.online for cpu in cpus)


def max_vcpus(guest: Guest) -> int:
    """How many vCPUs the domain may have."""
    return guest.model.vcpu.value or 1


def current_vcpus(guest: Guest) -> int:
    """How many vCPUs the domain has now."""
    return guest.model.vcpu.current or max_vcpus(guest)
