# SPDX-License-Identifier: Apache-2.0
"""Figures about guests: processor, memory, disks, interfaces; one by one or for many at once."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from virloom.drivers.qemu import figures
from virloom.drivers.qemu.block.figures import BLOCK_PARAMETERS, Figure, block_sizes, block_total
from virloom.drivers.qemu.block.sizes import capacity_of, image_size
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags, senseless
from virloom.drivers.qemu.handlers.listing import selected
from virloom.drivers.qemu.lasting_figures import lasting_parameters
from virloom.drivers.qemu.monitor.commands.answer import reading
from virloom.drivers.qemu.process import usage
from virloom.drivers.qemu.process.resources import alias_of, image_path
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime.jobs import Job
from virloom.drivers.runtime.turns import Parts
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import ConnectGetAllDomainStatsFlags, DomainStatsTypes
from virloom.enums.error import ErrorDomain
from virloom.errors import (
    ArgumentUnsupported,
    InternalError,
    InvalidArg,
    OperationInvalid,
    VirloomError,
    system_failure,
)
from virloom.host.link_counters import LinkCounters
from virloom.model.domain import Disk
from virloom.procedures import domain as p
from virloom.procedures.record import typed_value
from virloom.procedures.types import TypedParam

logger = logging.getLogger(__name__)

#: Seconds that one guest may take to tell its figures when many are asked.
_GUEST_LIMIT = 5.0

_STRING_OKAY = 4  # VIR_TYPED_PARAM_STRING_OKAY
_SELECTION = ~(
    ConnectGetAllDomainStatsFlags.NOWAIT
    | ConnectGetAllDomainStatsFlags.BACKING
    | ConnectGetAllDomainStatsFlags.ENFORCE_STATS
)
#: The groups that this driver can tell.
_SUPPORTED = int(
    DomainStatsTypes.STATE
    | DomainStatsTypes.CPU_TOTAL
    | DomainStatsTypes.BALLOON
    | DomainStatsTypes.VCPU
    | DomainStatsTypes.INTERFACE
    | DomainStatsTypes.BLOCK
    | DomainStatsTypes.IOTHREAD
    | DomainStatsTypes.DIRTYRATE
    | DomainStatsTypes.PERF
    # Nothing of it can be switched on here yet, and so there is nothing to tell of it.
    | DomainStatsTypes.MEMORY
    # What KVM counts, which tells nothing where it does not run the guest.
    | DomainStatsTypes.VM
)
#: What only a QEMU that runs can tell, so that nobody is promised it of a domain that is shut off.
_OF_QEMU = int(DomainStatsTypes.IOTHREAD | DomainStatsTypes.DIRTYRATE | DomainStatsTypes.VM)

#: Host CPUs of one message (REMOTE_DOMAIN_GET_CPU_STATS_NCPUS_MAX).
_CPUS_MAX = 128

_STATE, _BLOCK = int(DomainStatsTypes.STATE), int(DomainStatsTypes.BLOCK)
_INTERFACE = int(DomainStatsTypes.INTERFACE)


class Statistics:
    """Handlers that tell figures."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    # -- many guests ---------------------------------------------------------------------------

    @serves(p.CONNECT_GET_ALL_DOMAIN_STATS)
    async def get_all(
        self, call: Call, args: p.ConnectGetAllDomainStatsArgs
    ) -> p.ConnectGetAllDomainStatsRet:
        known = ConnectGetAllDomainStatsFlags
        check_flags(call, args.flags, sum(known))
        if args.doms:
            # One that has gone meanwhile is left out.
            found = (self._driver.guests.by_uuid(ref.uuid) for ref in args.doms)
            guests = [guest for guest in found if guest is not None]
        else:
            guests = selected(self._driver, args.flags & _SELECTION)
        if args.flags & known.ENFORCE_STATS:
            _check_all_told(guests, args.stats)
        wanted = int(args.stats or _SUPPORTED)  # a member of an enum is slow to compare
        nowait, chains = bool(args.flags & known.NOWAIT), bool(args.flags & known.BACKING)
        told = await _told_all_off(guests, wanted)
        running = [guest for guest in guests if guest not in told]
        known_already = {"links": self._links(running)} if wanted & _INTERFACE else {}
        tasks = (
            self._tell(call, guest, wanted, known_already, nowait=nowait, chains=chains)
            for guest in running
        )
        told.update(zip(running, await asyncio.gather(*tasks), strict=True))
        return p.ConnectGetAllDomainStatsRet(
            [p.DomainStatsRecord(guest.ref(), told[guest]) for guest in guests]
        )

    def _links(self, guests: list[Guest]) -> dict[str, LinkCounters]:
        """What is counted of the host's links, if any of the guests has a card."""
        if not any(guest.model.devices.interfaces for guest in guests):
            return {}
        try:
            return usage.links(self._driver.space)
        except OSError as exc:  # the other figures are told all the same
            logger.warning("the figures of links are not told: %s", exc)
            return {}

    async def _tell(
        self,
        call: Call,
        guest: Guest,
        wanted: int,
        known_already: dict[str, Any],
        *,
        nowait: bool,
        chains: bool,
    ) -> list[TypedParam]:
        """The figures of one guest; one that does not answer in time tells what needs no answer."""
        monitor: dict[str, Any] = {}
        running = guest.running
        if running is not None and not (nowait and guest.jobs.owner is not None):
            try:
                async with (
                    asyncio.timeout(_GUEST_LIMIT),
                    guest.jobs.hold(Job.QUERY, call.procedure.name),
                ):
                    if guest.running is running:
                        monitor = await figures.ask(running, wanted, backing=chains)
            except (VirloomError, TimeoutError):
                monitor = {}
        try:
            with reading("its statistics"):
                values = figures.bulk(guest, wanted, monitor | known_already)
        except VirloomError as exc:  # one guest's nonsense must not cost the others' figures
            logger.warning("domain '%s': %s", guest.name, exc)
            values = figures.bulk(guest, wanted, known_already)
        return _parameters(values)

    # -- memory --------------------------------------------------------------------------------

    @serves(p.DOMAIN_MEMORY_STATS)
    async def memory(self, call: Call, args: p.DomainMemoryStatsArgs) -> p.DomainMemoryStatsRet:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.QUERY, call.procedure.name):
            running = guest.require_running()
            answers = await figures.ask(running, DomainStatsTypes.BALLOON)
        with reading("query-balloon"):
            found = figures.memory(running, answers)
        stats = [p.DomainMemoryStat(tag, value) for tag, value in found]
        return p.DomainMemoryStatsRet(stats[: args.max_stats])

    # -- processors ----------------------------------------------------------------------------

    @serves(p.DOMAIN_GET_VCPUS)
    def vcpus(self, call: Call, args: p.DomainGetVcpusArgs) -> p.DomainGetVcpusRet:
        guest = self._driver.find(args.dom)
        running = guest.running
        if running is None:
            raise OperationInvalid(
                "cannot retrieve vcpu information for inactive domain", domain=ErrorDomain.QEMU
            )
        threads = list(usage.vcpu_threads(running).items())[: args.maxinfo]
        info = [
            p.VcpuInfo(
                number,
                1,
                usage.thread_time(running.pid, thread),
                usage.last_cpu(running.pid, thread),
            )
            for number, thread in threads
        ]
        maps = b"".join(usage.affinity(thread, args.maplen) for _, thread in threads)
        return p.DomainGetVcpusRet(info, maps)

    @serves(p.DOMAIN_GET_CPU_STATS)
    def cpu(self, call: Call, args: p.DomainGetCPUStatsArgs) -> p.DomainGetCPUStatsRet:
        check_cpus(args.start_cpu, args.ncpus, args.nparams)
        check_flags(call, args.flags, _STRING_OKAY)
        guest = self._driver.find(args.dom)
        running = guest.require_running()
        if args.start_cpu != -1:
            return _per_cpu(running, args)
        names = usage.cpu_total(running)
        if args.nparams == 0:
            return p.DomainGetCPUStatsRet([], len(names))
        params = [TypedParam(name, typed_value("ullong", value)) for name, value in names]
        return p.DomainGetCPUStatsRet(params[: args.nparams], min(args.nparams, len(params)))

    # -- disks ---------------------------------------------------------------------------------

    @serves(p.DOMAIN_BLOCK_STATS)
    async def block(self, call: Call, args: p.DomainBlockStatsArgs) -> p.DomainBlockStatsRet:
        stats = await self._block(call, args.dom, args.path)
        return p.DomainBlockStatsRet(
            stats["rd_operations"],
            stats["rd_bytes"],
            stats["wr_operations"],
            stats["wr_bytes"],
            -1,
        )

    @serves(p.DOMAIN_BLOCK_STATS_FLAGS)
    async def block_flags(
        self, call: Call, args: p.DomainBlockStatsFlagsArgs
    ) -> p.DomainBlockStatsFlagsRet:
        check_flags(call, args.flags, _STRING_OKAY)
        stats = await self._block(call, args.dom, args.path)
        params = [
            TypedParam(name, typed_value("llong", stats[key])) for name, key in BLOCK_PARAMETERS
        ]
        if args.nparams == 0:
            return p.DomainBlockStatsFlagsRet([], len(params))
        return p.DomainBlockStatsFlagsRet(params[: args.nparams], min(args.nparams, len(params)))

    async def _block(self, call: Call, ref: Any, path: str) -> dict[str, int]:
        """QEMU's figures of the disk at *path*; of all disks together for the empty path."""
        guest = self._driver.find(ref)
        async with guest.jobs.hold(Job.QUERY, call.procedure.name):
            running = guest.require_running()
            wanted = [] if not path else [alias_of(find_disk(running, path))]
            answers = await figures.ask(running, DomainStatsTypes.BLOCK)
        with reading("query-blockstats"):
            return block_total(answers, wanted)

    @serves(p.DOMAIN_GET_BLOCK_INFO)
    async def block_info(
        self, call: Call, args: p.DomainGetBlockInfoArgs
    ) -> p.DomainGetBlockInfoRet:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        model = guest.model
        disk = named_disk(
            model.devices.disks, args.path, f"invalid path {args.path} not assigned to domain"
        )
        path = image_path(disk)
        if path is None and disk.source.protocol is not None and guest.running is not None:
            return await self._remote_info(call, guest, disk)
        if path is None:
            raise InvalidArg(f"disk '{args.path}' is empty", domain=ErrorDomain.QEMU)
        try:
            allocation, physical = image_size(path)
        except OSError as exc:
            raise system_failure(f"cannot look at '{path}'", exc) from exc
        capacity = physical
        if guest.running is not None:
            async with guest.jobs.hold(Job.QUERY, call.procedure.name):
                running = guest.require_running()
                answers = await figures.ask(running, DomainStatsTypes.BLOCK)
            sizes = block_sizes(answers, alias_of(disk))
            capacity = sizes.get("capacity", capacity)
        else:
            capacity = capacity_of(path, disk.driver.type)
        return p.DomainGetBlockInfoRet(allocation, capacity, physical)

    async def _remote_info(self, call: Call, guest: Guest, disk: Disk) -> p.DomainGetBlockInfoRet:
        """By QEMU alone, which is who can look at an image of another host."""
        async with guest.jobs.hold(Job.QUERY, call.procedure.name):
            answers = await figures.ask(guest.require_running(), DomainStatsTypes.BLOCK)
        sizes = block_sizes(answers, alias_of(disk))
        capacity = sizes.get("capacity", 0)
        physical = sizes.get("physical") or capacity
        return p.DomainGetBlockInfoRet(sizes.get("allocation") or physical, capacity, physical)

    # -- interfaces ----------------------------------------------------------------------------

    @serves(p.DOMAIN_INTERFACE_STATS)
    def interface(self, call: Call, args: p.DomainInterfaceStatsArgs) -> p.DomainInterfaceStatsRet:
        guest = self._driver.find(args.dom)
        running = guest.require_running()
        for interface in running.model.devices.interfaces:
            target = interface.target.dev
            address = interface.mac.address
            if args.device not in (target, address):
                continue
            try:
                counted = usage.link(self._driver.space, target) if target else None
            except OSError as exc:
                raise system_failure("cannot read the figures of links", exc) from exc
            if counted is None:
                raise InternalError(
                    f"interface '{args.device}' is of type '{interface.type}', which has no "
                    "device on the host whose figures could be read",
                    domain=ErrorDomain.NONE,
                )
            return p.DomainInterfaceStatsRet(*usage.as_guest_sees(interface, counted))
        raise InvalidArg(f"'{args.device}' is not a known interface", domain=ErrorDomain.DOMAIN)


def check_cpus(first: int, number: int, parameters: int) -> None:
    """Which of the host's CPUs are asked about, and whether there is room for an answer.

    Raises:
        InternalError: More CPUs than a message holds.
        InvalidArg: No CPUs, or of all of them together more than one.
    """
    if number > _CPUS_MAX:
        raise InternalError("ncpus too large", domain=ErrorDomain.RPC)
    if first == -1 and number != 1:
        raise senseless("ncpus must be 1 when start_cpu is -1")
    if first < -1:
        raise senseless("start_cpu in virDomainGetCPUStats must be zero or greater")
    if parameters and not number:
        raise senseless("params in virDomainGetCPUStats must not be NULL")


def _per_cpu(running: RunningGuest, args: p.DomainGetCPUStatsArgs) -> p.DomainGetCPUStatsRet:
    """The figures of some of the host's CPUs; without room, how many there are of each, or CPUs."""
    found = usage.per_cpu(running)
    if args.nparams == 0:
        return p.DomainGetCPUStatsRet([], len(found[0]) if args.ncpus else len(found))
    if not 0 <= args.start_cpu < len(found):
        raise InvalidArg(
            f"start_cpu {args.start_cpu} is larger than the last CPU, {len(found) - 1}",
            domain=ErrorDomain.CGROUP,
        )
    told = found[args.start_cpu : args.start_cpu + args.ncpus]
    params = [
        TypedParam(name, typed_value("ullong", value))
        for entry in told
        for name, value in list(entry.items())[: args.nparams]
    ]
    return p.DomainGetCPUStatsRet(params, min(args.nparams, len(found[0])))


def find_disk(running: RunningGuest, path: str) -> Disk:
    """The disk with this target or source.

    Raises:
        InvalidArg: There is none.
    """
    return named_disk(running.model.devices.disks, path, f"invalid path: {path}")


def named_disk(disks: list[Disk], path: str, refusal: str) -> Disk:
    """The disk of *disks* with this target or source.

    Raises:
        InvalidArg: There is none; *refusal* is the message.
    """
    for disk in disks:
        target = disk.target.dev
        if path in (target, image_path(disk)):
            return disk
    raise InvalidArg(
        refusal,
        domain=ErrorDomain.QEMU,
        remedy="disks: " + ", ".join(d.target.dev or "?" for d in disks),
    )


def _check_all_told(guests: list[Guest], stats: int) -> None:
    """Refuses groups that cannot be told of each of *guests*.

    Raises:
        ArgumentUnsupported: With their bits.
    """
    known = _SUPPORTED & ~_OF_QEMU if any(not guest.active for guest in guests) else _SUPPORTED
    if stats & ~known:
        raise ArgumentUnsupported(
            f"statistics {stats & ~known:#x} are unknown here, or for a domain that is shut off",
            domain=ErrorDomain.QEMU,
        )


def _parameters(values: list[Figure]) -> list[TypedParam]:
    return [TypedParam(name, typed_value(kind, value)) for name, kind, value in values]


async def _told_all_off(guests: list[Guest], wanted: int) -> dict[Guest, list[TypedParam]]:
    """The figures of those that are shut off; of thousands never asked before it takes seconds."""
    told = {}
    parts = Parts()
    for guest in guests:
        if not guest.active:
            told[guest] = _told_off(guest, wanted)
            if parts.over():
                await parts.rest()
    return told


def _told_off(guest: Guest, wanted: int) -> list[TypedParam]:
    """The figures of a domain that is shut off: its state, and what its document says.

    The latter is looked for once: of a thousand domains most do not run, and nobody has changed
    their documents since the last time.
    """
    state = lasting_parameters(figures.bulk(guest, wanted & _STATE, {}))
    if guest.definition is None:  # it ended just now
        return state
    rest = wanted & ~(_STATE | _BLOCK)
    known = guest.definition.fact(
        f"statistics {rest:#x}", lambda _: lasting_parameters(figures.bulk(guest, rest, {}))
    )
    # Images change without their document.
    images = figures.bulk(guest, wanted & _BLOCK, {})
    return state + known + lasting_parameters(images)
