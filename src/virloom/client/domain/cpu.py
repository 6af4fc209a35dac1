# SPDX-License-Identifier: Apache-2.0
"""The virtual processors of a domain, and where they and their helpers run."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from virloom.client.domain.facet import Facet, ParamsToSet, are_typed
from virloom.client.domain.results import IOThreadInfo, SchedulerType, VcpuInfo
from virloom.client.host import bitmap_of, processors
from virloom.client.params import ParamValue, decode, encode, fetch, member
from virloom.enums.domain import VcpuState
from virloom.procedures import domain as p
from virloom.procedures.record import typed_value
from virloom.procedures.types import TypedParam

#: Bytes of a CPU map that hold whatever Linux can have (NR_CPUS is at most 8192 on x86).
_MAP_BYTES = 1024


class Cpu(Facet):
    """``dom.cpu``: processors, their time and places, I/O threads, the scheduler."""

    async def vcpus(self) -> list[VcpuInfo]:
        """The processors of the running guest."""
        info = await self._link.call(p.DOMAIN_GET_INFO, p.DomainGetInfoArgs(self._dom))
        args = p.DomainGetVcpusArgs(self._dom, info.nr_virt_cpu, _MAP_BYTES)
        ret = await self._link.call(p.DOMAIN_GET_VCPUS, args)
        return [
            VcpuInfo(one.number, member(VcpuState, one.state), one.cpu_time, one.cpu, affinity)
            for one, affinity in zip(ret.info, _maps(ret.cpumaps, _MAP_BYTES), strict=False)
        ]

    async def count(self, flags: int = 0) -> int:
        """How many there are (:class:`~virloom.enums.domain.DomainVcpuFlags`)."""
        args = p.DomainGetVcpusFlagsArgs(self._dom, flags)
        return (await self._link.call(p.DOMAIN_GET_VCPUS_FLAGS, args)).num

    async def set_count(self, number: int, flags: int | None = None) -> None:
        """Changes that; None stands for libvirt's first call, for the running guest only."""
        if flags is not None:
            with_flags = p.DomainSetVcpusFlagsArgs(self._dom, number, flags)
            await self._link.call(p.DOMAIN_SET_VCPUS_FLAGS, with_flags)
        else:
            await self._link.call(p.DOMAIN_SET_VCPUS, p.DomainSetVcpusArgs(self._dom, number))

    async def maximum(self) -> int:
        """The most that the guest can have."""
        args = p.DomainGetMaxVcpusArgs(self._dom)
        return (await self._link.call(p.DOMAIN_GET_MAX_VCPUS, args)).num

    async def set_vcpus(self, vcpus: str, enabled: bool, flags: int = 0) -> None:
        """Plugs single processors (``1,3-4``) in or out."""
        args = p.DomainSetVcpuArgs(self._dom, vcpus, int(enabled), flags)
        await self._link.call(p.DOMAIN_SET_VCPU, args)

    async def pin(self, vcpu: int, cpus: Collection[int], flags: int | None = None) -> None:
        """Lets *vcpu* run on these processors of the host only; *flags* as in :meth:`set_count`."""
        bitmap = bitmap_of(frozenset(cpus))
        if flags is not None:
            with_flags = p.DomainPinVcpuFlagsArgs(self._dom, vcpu, bitmap, flags)
            await self._link.call(p.DOMAIN_PIN_VCPU_FLAGS, with_flags)
        else:
            await self._link.call(p.DOMAIN_PIN_VCPU, p.DomainPinVcpuArgs(self._dom, vcpu, bitmap))

    async def pins(self, flags: int = 0, number: int | None = None) -> list[frozenset[int]]:
        """On which processors of the host each may run.

        Args:
            flags: :class:`~virloom.enums.domain.DomainModificationImpact`.
            number: Of so many; None for those that there are.
        """
        if number is None:
            number = await self.count(flags)
        args = p.DomainGetVcpuPinInfoArgs(self._dom, number, _MAP_BYTES, flags)
        ret = await self._link.call(p.DOMAIN_GET_VCPU_PIN_INFO, args)
        return _maps(ret.cpumaps, _MAP_BYTES)[: ret.num]

    async def pin_emulator(self, cpus: Collection[int], flags: int = 0) -> None:
        """The same for QEMU's other threads."""
        args = p.DomainPinEmulatorArgs(self._dom, bitmap_of(frozenset(cpus)), flags)
        await self._link.call(p.DOMAIN_PIN_EMULATOR, args)

    async def emulator_pin(self, flags: int = 0) -> frozenset[int]:
        """Where those may run."""
        args = p.DomainGetEmulatorPinInfoArgs(self._dom, _MAP_BYTES, flags)
        ret = await self._link.call(p.DOMAIN_GET_EMULATOR_PIN_INFO, args)
        return processors(ret.cpumaps)

    async def total_stats(self) -> dict[str, ParamValue]:
        """Processor time of the whole guest, in nanoseconds."""

        async def ask(number: int) -> Any:
            args = p.DomainGetCPUStatsArgs(self._dom, number, -1, 1)
            return await self._link.call(p.DOMAIN_GET_CPU_STATS, args)

        return decode(await fetch(ask))

    async def stats_size(self) -> int:
        """Of how many processors of the host there are statistics."""
        args = p.DomainGetCPUStatsArgs(self._dom, 0, 0, 0)
        return (await self._link.call(p.DOMAIN_GET_CPU_STATS, args)).nparams

    async def stats(self, first: int = 0, number: int | None = None) -> list[dict[str, ParamValue]]:
        """The same, per processor of the host.

        Args:
            first: The first of them.
            number: Of so many; None for all that follow.
        """
        call, get = self._link.call, p.DOMAIN_GET_CPU_STATS
        # libvirt's own order: how many processors, how many parameters, then all of them.
        cpus = await self.stats_size() - first if number is None else number
        each = (await call(get, p.DomainGetCPUStatsArgs(self._dom, 0, 0, 1))).nparams
        found: list[dict[str, ParamValue]] = []
        while each and len(found) < cpus:
            now = min(cpus - len(found), _CPUS_PER_CALL)
            start = first + len(found)
            ret = await call(get, p.DomainGetCPUStatsArgs(self._dom, each, start, now))
            step = ret.nparams or each
            got = [decode(ret.params[at : at + step]) for at in range(0, len(ret.params), step)]
            if not got:
                break
            found += got
        return found

    async def guest_vcpus(self) -> dict[str, ParamValue]:
        """The processors as the guest's agent sees them."""
        args = p.DomainGetGuestVcpusArgs(self._dom)
        return decode((await self._link.call(p.DOMAIN_GET_GUEST_VCPUS, args)).params)

    async def set_guest_vcpus(self, vcpus: str, enabled: bool) -> None:
        """Has the agent switch processors (``1,3-4``) on or off."""
        args = p.DomainSetGuestVcpusArgs(self._dom, vcpus, int(enabled))
        await self._link.call(p.DOMAIN_SET_GUEST_VCPUS, args)

    # I/O threads

    async def io_threads(self, flags: int = 0) -> list[IOThreadInfo]:
        """The I/O threads."""
        args = p.DomainGetIothreadInfoArgs(self._dom, flags)
        ret = await self._link.call(p.DOMAIN_GET_IOTHREAD_INFO, args)
        return [IOThreadInfo(one.iothread_id, processors(one.cpumap)) for one in ret.info]

    async def add_io_thread(self, id: int, flags: int = 0) -> None:
        """Starts one."""
        args = p.DomainAddIothreadArgs(self._dom, id, flags)
        await self._link.call(p.DOMAIN_ADD_IOTHREAD, args)

    async def del_io_thread(self, id: int, flags: int = 0) -> None:
        """Ends one."""
        args = p.DomainDelIothreadArgs(self._dom, id, flags)
        await self._link.call(p.DOMAIN_DEL_IOTHREAD, args)

    async def pin_io_thread(self, id: int, cpus: Collection[int], flags: int = 0) -> None:
        """Lets one run on these processors of the host only."""
        args = p.DomainPinIothreadArgs(self._dom, id, bitmap_of(frozenset(cpus)), flags)
        await self._link.call(p.DOMAIN_PIN_IOTHREAD, args)

    async def set_io_thread_parameters(self, id: int, values: ParamsToSet, flags: int = 0) -> None:
        """Sets how one polls, and how many helpers it has."""
        params = encode(values, [] if are_typed(values) else _IO_THREAD)
        args = p.DomainSetIothreadParamsArgs(self._dom, id, params, flags)
        await self._link.call(p.DOMAIN_SET_IOTHREAD_PARAMS, args)

    # The scheduler

    async def scheduler_type(self) -> SchedulerType:
        """The scheduler's name and its number of parameters."""
        args = p.DomainGetSchedulerTypeArgs(self._dom)
        ret = await self._link.call(p.DOMAIN_GET_SCHEDULER_TYPE, args)
        return SchedulerType(ret.type, ret.nparams)

    async def scheduler_params(self, flags: int | None = 0) -> list[TypedParam]:
        """Shares, periods and quotas, with their types; *flags* as in :meth:`set_count`."""
        number = (await self.scheduler_type()).parameters
        if flags is None:
            plain = p.DomainGetSchedulerParametersArgs(self._dom, number)
            return list((await self._link.call(p.DOMAIN_GET_SCHEDULER_PARAMETERS, plain)).params)
        args = p.DomainGetSchedulerParametersFlagsArgs(self._dom, number, flags)
        ret = await self._link.call(p.DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS, args)
        return list(ret.params)

    async def scheduler_parameters(self, flags: int | None = 0) -> dict[str, ParamValue]:
        """The same as plain values."""
        return decode(await self.scheduler_params(flags))

    async def set_scheduler_parameters(self, values: ParamsToSet, flags: int | None = 0) -> None:
        """Sets some of them; *flags* as in :meth:`set_count`."""
        params = encode(values, [] if are_typed(values) else await self.scheduler_params(flags))
        if flags is None:
            plain = p.DomainSetSchedulerParametersArgs(self._dom, params)
            await self._link.call(p.DOMAIN_SET_SCHEDULER_PARAMETERS, plain)
            return
        args = p.DomainSetSchedulerParametersFlagsArgs(self._dom, params, flags)
        await self._link.call(p.DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS, args)

    async def perf_events(self, flags: int = 0) -> dict[str, ParamValue]:
        """Which performance events are counted."""
        return decode(await self._perf(flags))

    async def set_perf_events(self, values: ParamsToSet, flags: int = 0) -> None:
        """Counts some, or no longer."""
        params = encode(values, [] if are_typed(values) else await self._perf(flags))
        args = p.DomainSetPerfEventsArgs(self._dom, params, flags)
        await self._link.call(p.DOMAIN_SET_PERF_EVENTS, args)

    async def _perf(self, flags: int) -> list[Any]:
        args = p.DomainGetPerfEventsArgs(self._dom, flags)
        return list((await self._link.call(p.DOMAIN_GET_PERF_EVENTS, args)).params)


#: What can be set of an I/O thread, each of its type.
_IO_THREAD = [
    TypedParam(name, typed_value(kind, 0))
    for name, kind in (
        ("poll_max_ns", "ullong"),
        ("poll_grow", "uint"),
        ("poll_shrink", "uint"),
        ("thread_pool_min", "int"),
        ("thread_pool_max", "int"),
    )
]

#: The protocol's limit (REMOTE_DOMAIN_GET_CPU_STATS_NCPUS_MAX).
_CPUS_PER_CALL = 128


def _maps(maps: bytes, length: int) -> list[frozenset[int]]:
    return [processors(maps[at : at + length]) for at in range(0, len(maps), length)]
