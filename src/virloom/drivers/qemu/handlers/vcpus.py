# SPDX-License-Identifier: Apache-2.0
"""How many vCPUs a domain has, and which: in its document, live, or as its guest uses them."""

from __future__ import annotations

from virloom.drivers.qemu.admission import rewrite
from virloom.drivers.qemu.agent.access import asking
from virloom.drivers.qemu.agent.processors import parse_numbers, processors, switch_to
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_exclusive, check_flags, senseless
from virloom.drivers.qemu.handlers.documents import affected
from virloom.drivers.qemu.tuning import plug, vcpus
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainModificationImpact, DomainVcpuFlags
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, OperationUnsupported
from virloom.procedures import domain as p

_BOTH = DomainModificationImpact.LIVE | DomainModificationImpact.CONFIG
_KNOWN = (
    DomainVcpuFlags.LIVE
    | DomainVcpuFlags.CONFIG
    | DomainVcpuFlags.MAXIMUM
    | DomainVcpuFlags.GUEST
    | DomainVcpuFlags.HOTPLUGGABLE
)


class Vcpus:
    """Handlers that tell and change the number of vCPUs."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_GET_MAX_VCPUS)
    def get_max_vcpus(self, call: Call, args: p.DomainGetMaxVcpusArgs) -> p.DomainGetMaxVcpusRet:
        """Of a running domain, as with libvirt; of another one, GET_VCPUS_FLAGS tells."""
        guest = self._driver.find(args.dom)
        guest.require_running()
        return p.DomainGetMaxVcpusRet(vcpus.most(guest.model))

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
        maximum = vcpus.most(model)
        current = model.vcpu.current or maximum
        return p.DomainGetVcpusFlagsRet(maximum if args.flags & 4 else current)

    async def _told_vcpus(self, call: Call, guest: Guest, flags: int) -> int:
        """How many the guest has, or uses, as its agent tells."""
        async with asking(guest, Job.QUERY, call.procedure.name) as asked:
            cpus = await processors(asked)
        return len(cpus) if flags & 4 else sum(cpu.online for cpu in cpus)

    @serves(p.DOMAIN_SET_VCPUS)
    async def set_vcpus(self, call: Call, args: p.DomainSetVcpusArgs) -> None:
        if not args.nvcpus:
            raise senseless("nvcpus in virDomainSetVcpus must not be zero")
        await self._set(call, self._driver.find(args.dom), args.nvcpus, DomainVcpuFlags.LIVE)

    @serves(p.DOMAIN_SET_VCPUS_FLAGS)
    async def set_vcpus_flags(self, call: Call, args: p.DomainSetVcpusFlagsArgs) -> None:
        """How many there are, can be, or are used by the guest."""
        _check_sense(args)
        check_flags(call, args.flags, _KNOWN)
        guest = self._driver.find(args.dom)
        if args.flags & DomainVcpuFlags.GUEST:
            await switch_to(guest, call.procedure.name, args.nvcpus)
        else:
            await self._set(call, guest, args.nvcpus, args.flags)

    async def _set(self, call: Call, guest: Guest, count: int, flags: int) -> None:
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            live, config = affected(guest, flags & _BOTH)
            if flags & DomainVcpuFlags.MAXIMUM:
                await self._set_most(guest, count, live=live)
                return
            if live:
                vcpus.check_count(guest.model, count, "live")
            if config:
                vcpus.check_count(guest.persistent_model(), count, "persistent")
            if live:
                await plug.set_live_count(guest.require_running(), count)
            if config:
                hotpluggable = bool(flags & DomainVcpuFlags.HOTPLUGGABLE)
                await rewrite(
                    self._driver,
                    guest,
                    lambda model: vcpus.set_count(model, count, hotpluggable=hotpluggable),
                )

    async def _set_most(self, guest: Guest, count: int, *, live: bool) -> None:
        if live:
            raise OperationUnsupported(
                "how many vCPUs a domain can have is not changed while it runs",
                domain=ErrorDomain.QEMU,
            )
        await rewrite(self._driver, guest, lambda model: vcpus.set_most(model, count))

    @serves(p.DOMAIN_SET_VCPU)
    async def set_vcpu(self, call: Call, args: p.DomainSetVcpuArgs) -> None:
        """Switches single vCPUs on or off."""
        check_flags(call, args.flags, _BOTH)
        if args.state not in (0, 1):
            raise senseless("unsupported state value", ErrorDomain.QEMU)
        numbers, enabled = parse_numbers(args.cpumap), bool(args.state)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            live, config = affected(guest, args.flags)
            if live:
                await plug.chosen(guest.require_running(), numbers, enabled=enabled)
            if config:
                vcpus.check_choice(guest.persistent_model(), numbers)
            if live:
                await plug.set_live(guest.require_running(), numbers, enabled=enabled)
            if config:
                await rewrite(
                    self._driver,
                    guest,
                    lambda model: vcpus.set_some(model, numbers, enabled=enabled),
                )


def _check_sense(args: p.DomainSetVcpusFlagsArgs) -> None:
    known = DomainVcpuFlags
    if args.flags & known.MAXIMUM and not args.flags & known.CONFIG:
        raise senseless(
            "Flag 'VIR_DOMAIN_AFFECT_CONFIG' is required by flag 'VIR_DOMAIN_VCPU_MAXIMUM'"
        )
    if args.flags & known.GUEST and args.flags & known.CONFIG:
        raise senseless(
            "Flags 'VIR_DOMAIN_VCPU_GUEST' and 'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive"
        )
    if not args.nvcpus:
        raise senseless("nvcpus in virDomainSetVcpusFlags must not be zero")
