# SPDX-License-Identifier: Apache-2.0
"""A domain's threads for input and output come, change and go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from virloom.drivers.qemu.admission import rewrite
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags, senseless
from virloom.drivers.qemu.handlers.documents import affected
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.qemu.tuning import iothreads
from virloom.drivers.qemu.tuning.iothread_objects import adapt, plug, unplug
from virloom.drivers.runtime.jobs import Job
from virloom.drivers.runtime.parameters import Kinds
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainModificationImpact
from virloom.enums.error import ErrorDomain
from virloom.errors import InvalidArg
from virloom.model.domain import Domain
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain

_BOTH = DomainModificationImpact.LIVE | DomainModificationImpact.CONFIG

_PARAMETERS = Kinds(
    {
        "poll_max_ns": "ullong",
        "poll_grow": "uint",
        "poll_shrink": "uint",
        "thread_pool_min": "int",
        "thread_pool_max": "int",
    }
)


class IoThreads:
    """Handlers that change threads for input and output."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_ADD_IOTHREAD)
    async def add(self, call: Call, args: p.DomainAddIothreadArgs) -> None:
        number = args.iothread_id
        check_flags(call, args.flags, _BOTH)
        _check_number(number)
        await self._change(
            call,
            args.dom,
            args.flags,
            lambda model, live: iothreads.check_new(model, number),
            lambda running: plug(running, number),
            lambda model: iothreads.add(model, number),
        )

    @serves(p.DOMAIN_DEL_IOTHREAD)
    async def delete(self, call: Call, args: p.DomainDelIothreadArgs) -> None:
        number = args.iothread_id
        if not number:
            raise senseless("iothread_id in virDomainDelIOThread must not be zero")
        check_flags(call, args.flags, _BOTH)
        await self._change(
            call,
            args.dom,
            args.flags,
            lambda model, live: iothreads.check_unused(model, number),
            lambda running: unplug(running, number),
            lambda model: iothreads.remove(model, number),
        )

    @serves(p.DOMAIN_SET_IOTHREAD_PARAMS)
    async def set_parameters(self, call: Call, args: p.DomainSetIothreadParamsArgs) -> None:
        """How a thread polls, and how many helpers it has."""
        if not args.params:
            raise senseless("params in virDomainSetIOThreadParams must not be NULL")
        check_flags(call, args.flags, _BOTH)
        number = args.iothread_id
        _check_number(number)
        values = _PARAMETERS.check(args.params)
        change = iothreads.Change(*(values.get(name) for name in _ORDER))
        iothreads.check_values(change)
        await self._change(
            call,
            args.dom,
            args.flags,
            lambda model, live: iothreads.check_change(model, number, change, live=live),
            lambda running: adapt(running, number, change),
            lambda model: iothreads.note_change(model, number, change),
        )

    async def _change(
        self,
        call: Call,
        ref: NonnullDomain,
        flags: int,
        check: Callable[[Domain, bool], None],
        live: Callable[[RunningGuest], Awaitable[None]],
        change: Callable[[Domain], None],
    ) -> None:
        """Refuses before anything happens; then the guest, and the document when it is done."""
        guest = self._driver.find(ref)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            to_live, to_config = affected(guest, flags)
            if to_live:
                check(guest.model, True)
            if to_config:
                check(guest.persistent_model(), False)
            if to_live:
                await live(guest.require_running())
            if to_config:
                await rewrite(self._driver, guest, change)


#: Parameters in the order of :class:`iothreads.Change`.
_ORDER = ("poll_max_ns", "poll_grow", "poll_shrink", "thread_pool_min", "thread_pool_max")


def _check_number(number: int) -> None:
    if not number:
        raise InvalidArg("I/O threads are numbered from 1", domain=ErrorDomain.QEMU)
