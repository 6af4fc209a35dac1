# SPDX-License-Identifier: Apache-2.0
"""The processors of domains."""

from __future__ import annotations

from virloom.drivers.runtime.arguments import senseless
from virloom.drivers.runtime.cpumaps import cpus_of, to_wire
from virloom.drivers.runtime.parameters import Kinds
from virloom.drivers.runtime.pins import pin_of
from virloom.drivers.test.arguments import (
    CONFIG,
    IMPACT,
    LIVE,
    STRING_OKAY,
    check_flags,
    document,
    documents,
    require_active,
)
from virloom.drivers.test.driver import InMemoryDriver
from virloom.drivers.test.figures import Figures
from virloom.drivers.test.host import MAX_VCPUS
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainVcpuFlags, VcpuState
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, OperationInvalid
from virloom.model.domain import Domain
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain

_MAXIMUM = int(DomainVcpuFlags.MAXIMUM)
#: What the host's two processors have done for any domain, in ns, and how much of it was not
#: the guest's own.
_CPU_TIMES = (24386308517, 24386308518)
_OVERHEAD = 1234567890
_TOTAL = Kinds.all_of("ullong", "cpu_time", "user_time", "system_time")
_EACH = Kinds.all_of("ullong", "cpu_time", "vcpu_time")
_USER, _SYSTEM = 5540000000, 6460000000


def vcpus_of(model: Domain) -> int:
    """How many processors the domain has now."""
    return model.vcpu.current or model.vcpu.value or 1


class Processors:
    """Handlers of processors."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_GET_MAX_VCPUS)
    def get_max(self, call: Call, args: p.DomainGetMaxVcpusArgs) -> p.DomainGetMaxVcpusRet:
        """Of a running domain."""
        return p.DomainGetMaxVcpusRet(self._count(args.dom, LIVE | _MAXIMUM))

    @serves(p.DOMAIN_GET_VCPUS_FLAGS)
    def get_flags(self, call: Call, args: p.DomainGetVcpusFlagsArgs) -> p.DomainGetVcpusFlagsRet:
        check_flags(call, args.flags, IMPACT | _MAXIMUM)
        return p.DomainGetVcpusFlagsRet(self._count(args.dom, args.flags))

    def _count(self, ref: NonnullDomain, flags: int) -> int:
        model = document(self._driver.find(ref), flags)
        return model.vcpu.value or 1 if flags & _MAXIMUM else vcpus_of(model)

    @serves(p.DOMAIN_SET_VCPUS)
    def set(self, call: Call, args: p.DomainSetVcpusArgs) -> None:
        self._set(call, args.dom, args.nvcpus, LIVE, "virDomainSetVcpus")

    @serves(p.DOMAIN_SET_VCPUS_FLAGS)
    def set_flags(self, call: Call, args: p.DomainSetVcpusFlagsArgs) -> None:
        self._set(call, args.dom, args.nvcpus, args.flags, "virDomainSetVcpusFlags")

    def _set(self, call: Call, ref: NonnullDomain, count: int, flags: int, api: str) -> None:
        if flags & _MAXIMUM and not flags & CONFIG:
            raise senseless(
                "Flag 'VIR_DOMAIN_AFFECT_CONFIG' is required by flag 'VIR_DOMAIN_VCPU_MAXIMUM'"
            )
        if not count:
            raise senseless(f"nvcpus in {api} must not be zero")
        check_flags(call, flags, IMPACT | _MAXIMUM, function="testDomainSetVcpusFlags")
        live, config = documents(self._driver.find(ref), flags)
        most = MAX_VCPUS
        for model in (live, config):
            if model is not None and not flags & _MAXIMUM:
                most = min(most, model.vcpu.value or 1)
        if count > most:
            raise InvalidArg(
                f"requested cpu amount exceeds maximum ({count} > {most})", domain=ErrorDomain.TEST
            )
        if live is not None:
            _set_current(live, count)
        if config is not None and flags & _MAXIMUM:
            current = min(vcpus_of(config), count)
            config.vcpu.value = count
            _set_current(config, current)
        elif config is not None:
            _set_current(config, count)

    @serves(p.DOMAIN_GET_VCPUS)
    def get(self, call: Call, args: p.DomainGetVcpusArgs) -> p.DomainGetVcpusRet:
        guest = self._driver.find(args.dom)
        if guest.live is None:
            raise OperationInvalid(
                "cannot list vcpus for an inactive domain", domain=ErrorDomain.TEST
            )
        base = Figures().base
        infos, maps = [], b""
        for number in range(min(vcpus_of(guest.live), args.maxinfo)):
            cpus = cpus_of(pin_of(guest.live, number), range(self._driver.host.cpus))
            last = max(cpus, default=-1)
            infos.append(p.VcpuInfo(number, int(VcpuState.RUNNING), base, last))
            maps += to_wire(cpus, args.maplen)
        return p.DomainGetVcpusRet(infos, maps)

    @serves(p.DOMAIN_GET_CPU_STATS)
    def cpu_stats(self, call: Call, args: p.DomainGetCPUStatsArgs) -> p.DomainGetCPUStatsRet:
        check_flags(call, args.flags, STRING_OKAY)
        require_active(self._driver.find(args.dom))
        if args.start_cpu == -1:
            times = {"cpu_time": sum(_CPU_TIMES), "user_time": _USER, "system_time": _SYSTEM}
            return p.DomainGetCPUStatsRet(*_TOTAL.answer(times, args.nparams))
        if args.ncpus == 0:
            return p.DomainGetCPUStatsRet([], len(_CPU_TIMES))
        if args.start_cpu >= len(_CPU_TIMES):
            raise InvalidArg(
                f"start_cpu {args.start_cpu} larger than maximum of {len(_CPU_TIMES) - 1}",
                domain=ErrorDomain.TEST,
            )
        if args.nparams == 0:
            return p.DomainGetCPUStatsRet(*_EACH.answer({}, 0))
        params = []
        for time in _CPU_TIMES[args.start_cpu : args.start_cpu + args.ncpus]:
            values = {"cpu_time": time, "vcpu_time": time - _OVERHEAD}
            params += _EACH.answer(values, args.nparams).params
        return p.DomainGetCPUStatsRet(params, min(args.nparams, 2))


def _set_current(model: Domain, count: int) -> None:
    model.vcpu.current = count if count != model.vcpu.value else None
