# SPDX-License-Identifier: Apache-2.0
"""Which events of the host's processor are counted for a domain."""

from __future__ import annotations

from virloom.drivers.qemu.admission import rewrite
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_exclusive, check_flags, senseless
from virloom.drivers.qemu.handlers.documents import affected
from virloom.drivers.qemu.tuning.counting import count, enabled, note
from virloom.drivers.runtime.jobs import Job
from virloom.drivers.runtime.parameters import Kinds
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainModificationImpact
from virloom.model.domain.perf import PERF_EVENTS
from virloom.procedures import domain as p

_BOTH = DomainModificationImpact.LIVE | DomainModificationImpact.CONFIG
_STRING_OKAY = 4  # VIR_TYPED_PARAM_STRING_OKAY

_EVENTS = Kinds.all_of("boolean", *PERF_EVENTS)


class Counting:
    """Handlers of performance events."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_GET_PERF_EVENTS)
    def get(self, call: Call, args: p.DomainGetPerfEventsArgs) -> p.DomainGetPerfEventsRet:
        check_exclusive(args.flags)
        check_flags(call, args.flags, _BOTH | _STRING_OKAY)
        guest = self._driver.find(args.dom)
        live, _ = affected(guest, args.flags)
        counted = enabled(guest.model if live else guest.persistent_model())
        values = {name: name in counted for name in PERF_EVENTS}
        return p.DomainGetPerfEventsRet(_EVENTS.answer(values, len(values)).params)

    @serves(p.DOMAIN_SET_PERF_EVENTS)
    async def set(self, call: Call, args: p.DomainSetPerfEventsArgs) -> None:
        if not args.params:
            raise senseless("params in virDomainSetPerfEvents must not be NULL")
        check_flags(call, args.flags, _BOTH)
        wanted = {name: bool(value) for name, value in _EVENTS.check(args.params).items()}
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            live, config = affected(guest, args.flags)
            if live:
                running = guest.require_running()
                count(running, wanted)
                note(running.model, wanted)
                running.set_document()
                running.save()
            if config:
                await rewrite(self._driver, guest, lambda model: note(model, wanted))
