# SPDX-License-Identifier: Apache-2.0
"""How much memory a domain has, now and at its next start."""

from __future__ import annotations

from virloom.drivers.qemu.admission import rewrite
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags
from virloom.drivers.qemu.handlers.documents import affected
from virloom.drivers.qemu.process.resources import alias_of
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.tuning.flexible import at_most
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainModificationImpact
from virloom.enums.error import ErrorDomain
from virloom.errors import InternalError, InvalidArg, OperationInvalid
from virloom.model.domain import BalloonStats, Domain, Memballoon
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain

_LIVE = DomainModificationImpact.LIVE
_CONFIG = DomainModificationImpact.CONFIG
_MAXIMUM = 4  # VIR_DOMAIN_MEM_MAXIMUM


class Memory:
    """Handlers that tell and change how much memory a domain has."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_GET_MAX_MEMORY)
    def get_max_memory(self, call: Call, args: p.DomainGetMaxMemoryArgs) -> p.DomainGetMaxMemoryRet:
        return p.DomainGetMaxMemoryRet(self._driver.find(args.dom).model.memory or 0)

    @serves(p.DOMAIN_SET_MEMORY)
    async def set_memory(self, call: Call, args: p.DomainSetMemoryArgs) -> None:
        await self._set(call, args.dom, args.memory, int(_LIVE))

    @serves(p.DOMAIN_SET_MAX_MEMORY)
    async def set_max_memory(self, call: Call, args: p.DomainSetMaxMemoryArgs) -> None:
        await self._set(call, args.dom, args.memory, _MAXIMUM)

    @serves(p.DOMAIN_SET_MEMORY_FLAGS)
    async def set_memory_flags(self, call: Call, args: p.DomainSetMemoryFlagsArgs) -> None:
        check_flags(call, args.flags, _LIVE | _CONFIG | _MAXIMUM)
        await self._set(call, args.dom, args.memory, args.flags)

    async def _set(self, call: Call, ref: NonnullDomain, kib: int, flags: int) -> None:
        if kib == 0:
            raise InvalidArg("memory of 0 KiB is no memory", domain=ErrorDomain.DOMAIN)
        guest = self._driver.find(ref)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            live, config = affected(guest, flags & (_LIVE | _CONFIG))
            if flags & _MAXIMUM:
                await self._set_maximum(guest, kib, live=live)
                return
            self._check(guest, kib, live=live, config=config)
            if live:
                await _balloon(guest.require_running(), kib)
            if config:
                await rewrite(self._driver, guest, lambda model: _set_current(model, kib))

    async def _set_maximum(self, guest: Guest, kib: int, *, live: bool) -> None:
        if live:
            raise OperationInvalid(
                "cannot resize the maximum memory on an active domain", domain=ErrorDomain.QEMU
            )
        if guest.persistent_model().numa_cells:
            raise OperationInvalid(
                f"the memory of domain '{guest.name}' is that of its NUMA cells",
                domain=ErrorDomain.QEMU,
            )
        await rewrite(self._driver, guest, lambda model: _limit(model, kib))

    @staticmethod
    def _check(guest: Guest, kib: int, *, live: bool, config: bool) -> None:
        models = [guest.model] * live + [guest.persistent_model()] * config
        for model in models:
            most = (model.memory or 0) - at_most(model)
            if kib > most:
                raise InvalidArg(
                    f"cannot set memory higher than max memory ({kib} KiB > {most} KiB)",
                    domain=ErrorDomain.QEMU,
                )

    @serves(p.DOMAIN_SET_MEMORY_STATS_PERIOD)
    async def set_stats_period(self, call: Call, args: p.DomainSetMemoryStatsPeriodArgs) -> None:
        """How often, in seconds, the guest tells its own figures; 0 for never."""
        check_flags(call, args.flags, _LIVE | _CONFIG)
        if args.period < 0:
            raise InvalidArg(f"a period of {args.period} s", domain=ErrorDomain.DOMAIN)
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            live, config = affected(guest, args.flags)
            if live:
                running = guest.require_running()
                await _poll(running, args.period)
                _note_period(running, args.period)
            if config:
                await rewrite(self._driver, guest, lambda model: _set_period(model, args.period))


def _set_current(model: Domain, kib: int) -> None:
    model.current_memory = kib


def _limit(model: Domain, kib: int) -> None:
    model.memory = kib
    model.current_memory = min(model.current_memory or kib, kib)


def _telling_balloon(model: Domain) -> Memballoon:
    """What tells of the guest's memory; a guest without it is libvirt's internal error."""
    balloon = model.devices.memballoon
    if balloon is None or balloon.model == "none":
        raise InternalError(
            f"domain '{model.name}' has no balloon that could tell of its memory",
            domain=ErrorDomain.QEMU,
        )
    return balloon


def _set_period(model: Domain, seconds: int) -> None:
    _telling_balloon(model).stats = BalloonStats(period=seconds or None)


async def _balloon(running: RunningGuest, kib: int) -> None:
    """Asks the guest's balloon to leave so much memory; the guest takes its time."""
    balloon = running.model.devices.memballoon
    if balloon is None or balloon.model == "none":
        raise _without_balloon()
    await running.execute("balloon", {"value": kib * 1024})


async def _poll(running: RunningGuest, period: int) -> None:
    balloon = _telling_balloon(running.model)
    path = f"/machine/peripheral/{alias_of(balloon)}"
    await running.execute(
        "qom-set", {"path": path, "property": "guest-stats-polling-interval", "value": period}
    )


def _note_period(running: RunningGuest, period: int) -> None:
    _set_period(running.model, period)
    running.set_document()
    running.save()


def _without_balloon() -> OperationInvalid:
    return OperationInvalid(
        "Unable to change memory of active domain without the balloon device",
        domain=ErrorDomain.QEMU,
    )
