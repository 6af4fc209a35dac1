# SPDX-License-Identifier: Apache-2.0
"""Where a domain's threads may run: vCPUs, QEMU's own threads, those for input and output."""

from __future__ import annotations

from virloom.drivers.qemu.admission import rewrite
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_exclusive, check_flags, check_room
from virloom.drivers.qemu.handlers.documents import affected
from virloom.drivers.qemu.tuning.affinity import (
    EmulatorWish,
    IoThreadWish,
    VcpuWish,
    Wish,
    real_places,
    said_places,
)
from virloom.drivers.qemu.tuning.vcpus import most
from virloom.drivers.runtime.cpumaps import cpus_of, from_wire, to_wire
from virloom.drivers.runtime.jobs import Job
from virloom.drivers.runtime.pins import emulator_pin_of, pin_of
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainEventID, DomainModificationImpact
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg, Rpc
from virloom.host.topology import online_cpus
from virloom.model.domain import Domain
from virloom.procedures import domain as p
from virloom.procedures.record import typed_value
from virloom.procedures.types import NonnullDomain, TypedParam

_LIVE = DomainModificationImpact.LIVE
_BOTH = _LIVE | DomainModificationImpact.CONFIG

#: The protocol's limits (REMOTE_VCPUINFO_MAX, REMOTE_CPUMAPS_MAX).
_MAPS_MAX = 16384
_ALL_MAPS_MAX = 8388608


class Pinning:
    """Handlers of places of threads."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_PIN_VCPU)
    async def pin_vcpu(self, call: Call, args: p.DomainPinVcpuArgs) -> None:
        await self._pin(call, args.dom, int(_LIVE), VcpuWish(args.vcpu, from_wire(args.cpumap)))

    @serves(p.DOMAIN_PIN_VCPU_FLAGS)
    async def pin_vcpu_flags(self, call: Call, args: p.DomainPinVcpuFlagsArgs) -> None:
        await self._pin(call, args.dom, args.flags, VcpuWish(args.vcpu, from_wire(args.cpumap)))

    @serves(p.DOMAIN_PIN_EMULATOR)
    async def pin_emulator(self, call: Call, args: p.DomainPinEmulatorArgs) -> None:
        await self._pin(call, args.dom, args.flags, EmulatorWish(from_wire(args.cpumap)))

    @serves(p.DOMAIN_PIN_IOTHREAD)
    async def pin_iothread(self, call: Call, args: p.DomainPinIothreadArgs) -> None:
        wish = IoThreadWish(args.iothreads_id, from_wire(args.cpumap))
        await self._pin(call, args.dom, args.flags, wish)

    async def _pin(self, call: Call, ref: NonnullDomain, flags: int, wish: Wish) -> None:
        check_flags(call, flags, _BOTH)
        guest = self._driver.find(ref)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            live, config = affected(guest, flags)
            if live:
                wish.check(guest.model, "live")
            if config:
                wish.check(guest.persistent_model(), "persistent")
            if not wish.cpuset:
                raise InvalidArg("Empty cpu list for pinning", domain=ErrorDomain.QEMU)
            if live:
                await self._pin_live(guest, wish)
            if config:
                await rewrite(self._driver, guest, wish.note)

    async def _pin_live(self, guest: Guest, wish: Wish) -> None:
        running = guest.require_running()
        await wish.place(running)
        wish.note(running.model)
        running.set_document()
        running.save()
        told = TypedParam(wish.parameter, typed_value("string", wish.cpuset))
        self._driver.events.emit(DomainEventID.TUNABLE, guest.ref(), [told])

    # -- where they are ------------------------------------------------------------------------

    @serves(p.DOMAIN_GET_VCPU_PIN_INFO)
    def vcpu_pins(self, call: Call, args: p.DomainGetVcpuPinInfoArgs) -> p.DomainGetVcpuPinInfoRet:
        check_exclusive(args.flags)
        check_flags(call, args.flags, _BOTH)
        check_room("ncpumaps", args.ncpumaps, _MAPS_MAX, "REMOTE_VCPUINFO_MAX")
        check_room("maplen", args.maplen, _ALL_MAPS_MAX, "REMOTE_CPUMAPS_MAX")
        if args.ncpumaps * args.maplen > _ALL_MAPS_MAX:
            raise Rpc("ncpumaps * maplen > REMOTE_CPUMAPS_MAX", domain=ErrorDomain.RPC)
        model = self._looked_at(self._driver.find(args.dom), args.flags)
        count, everywhere = min(args.ncpumaps, most(model)), online_cpus()
        maps = [
            to_wire(cpus_of(pin_of(model, number), everywhere), args.maplen)
            for number in range(count)
        ]
        return p.DomainGetVcpuPinInfoRet(b"".join(maps), count)

    @serves(p.DOMAIN_GET_EMULATOR_PIN_INFO)
    def emulator_pins(
        self, call: Call, args: p.DomainGetEmulatorPinInfoArgs
    ) -> p.DomainGetEmulatorPinInfoRet:
        check_exclusive(args.flags)
        check_flags(call, args.flags, _BOTH)
        check_room("maplen", args.maplen, _ALL_MAPS_MAX, "REMOTE_CPUMAPS_MAX")
        model = self._looked_at(self._driver.find(args.dom), args.flags)
        cpus = cpus_of(emulator_pin_of(model), online_cpus())
        return p.DomainGetEmulatorPinInfoRet(to_wire(cpus, args.maplen), 1)

    @serves(p.DOMAIN_GET_IOTHREAD_INFO)
    async def iothreads(
        self, call: Call, args: p.DomainGetIothreadInfoArgs
    ) -> p.DomainGetIothreadInfoRet:
        """Of a running guest, where they really may run."""
        check_exclusive(args.flags)
        check_flags(call, args.flags, _BOTH)
        guest = self._driver.find(args.dom)
        live, _ = affected(guest, args.flags)
        length = (max(online_cpus()) + 8) // 8
        if live:
            async with guest.jobs.hold(Job.QUERY, call.procedure.name):
                places = await real_places(guest.require_running())
        else:
            places = said_places(guest.persistent_model())
        infos = [
            p.DomainIothreadInfo(number, to_wire(cpus, length)) for number, cpus in places.items()
        ]
        return p.DomainGetIothreadInfoRet(infos, len(infos))

    @staticmethod
    def _looked_at(guest: Guest, flags: int) -> Domain:
        live, _ = affected(guest, flags)
        return guest.model if live else guest.persistent_model()
