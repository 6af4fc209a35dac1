# SPDX-License-Identifier: Apache-2.0
"""What of the host a domain may have: processor time, memory, nodes, block I/O."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from virloom.drivers.qemu.admission import rewrite
from virloom.drivers.qemu.domain import Guest
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import (
    check_exclusive,
    check_flags,
    check_parameters,
)
from virloom.drivers.qemu.handlers.documents import affected
from virloom.drivers.qemu.limits import block, memory, nodes, scheduler
from virloom.drivers.qemu.process.running import RunningGuest
from virloom.drivers.runtime.jobs import Job
from virloom.drivers.runtime.parameters import Answer, Kinds
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.domain import DomainEventID, DomainModificationImpact
from virloom.enums.error import ErrorDomain
from virloom.enums.params import TypedParameterType
from virloom.errors import ConfigUnsupported, InvalidArg, OperationInvalid, OperationUnsupported
from virloom.host.cgroup.group import GuestGroups
from virloom.host.cgroup.mounts import Controller
from virloom.model.domain import Domain
from virloom.procedures import domain as p
from virloom.procedures.record import typed_value
from virloom.procedures.types import NonnullDomain, TypedParam

_LIVE = int(DomainModificationImpact.LIVE)
_CONFIG = int(DomainModificationImpact.CONFIG)
_STRING_OKAY = 4  # VIR_TYPED_PARAM_STRING_OKAY
_MOST = 16  # parameters of one message (REMOTE_DOMAIN_*_PARAMETERS_MAX)

_SCHEDULER = Kinds(scheduler.KINDS)
_MEMORY = Kinds(memory.KINDS)
_NODES = Kinds(nodes.KINDS)
_BLOCK = Kinds(block.KINDS)


class Limits:
    """Handlers of a domain's parameters on the host."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    # -- processor time ------------------------------------------------------------------------

    @serves(p.DOMAIN_GET_SCHEDULER_TYPE)
    def scheduler_type(
        self, call: Call, args: p.DomainGetSchedulerTypeArgs
    ) -> p.DomainGetSchedulerTypeRet:
        guest = self._driver.find(args.dom)
        self._require_system("CPU tuning")
        if guest.running is not None:
            _groups(guest.running, "cpu")
        return p.DomainGetSchedulerTypeRet("posix", len(scheduler.KINDS))

    @serves(p.DOMAIN_GET_SCHEDULER_PARAMETERS)
    def scheduler(
        self, call: Call, args: p.DomainGetSchedulerParametersArgs
    ) -> p.DomainGetSchedulerParametersRet:
        return p.DomainGetSchedulerParametersRet(self._scheduler(args.dom, args.nparams, 0))

    @serves(p.DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS)
    def scheduler_flags(
        self, call: Call, args: p.DomainGetSchedulerParametersFlagsArgs
    ) -> p.DomainGetSchedulerParametersFlagsRet:
        _check_reading(call, args.flags)
        params = self._scheduler(args.dom, args.nparams, args.flags)
        return p.DomainGetSchedulerParametersFlagsRet(params)

    def _scheduler(self, ref: NonnullDomain, room: int, flags: int) -> list[TypedParam]:
        check_parameters(room, _MOST)
        if room == 0:
            raise InvalidArg("nparams must be greater than zero", domain=ErrorDomain.DOMAIN)
        guest = self._driver.find(ref)
        self._require_system("CPU tuning")
        running, model = _shown(guest, flags)
        if running is not None:
            values = scheduler.present_scheduler(_groups(running, "cpu"))
        else:
            values = scheduler.said_scheduler(model)
        return _SCHEDULER.answer(values, room).params

    @serves(p.DOMAIN_SET_SCHEDULER_PARAMETERS)
    async def set_scheduler(self, call: Call, args: p.DomainSetSchedulerParametersArgs) -> None:
        await self._set_scheduler(call, args.dom, args.params, 0)

    @serves(p.DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS)
    async def set_scheduler_flags(
        self, call: Call, args: p.DomainSetSchedulerParametersFlagsArgs
    ) -> None:
        check_flags(call, args.flags, _LIVE | _CONFIG)
        await self._set_scheduler(call, args.dom, args.params, args.flags)

    async def _set_scheduler(
        self, call: Call, ref: NonnullDomain, params: list[TypedParam], flags: int
    ) -> None:
        values = _given(params, _SCHEDULER)
        scheduler.check_scheduler(values)
        guest = self._driver.find(ref)
        self._require_system("CPU tuning")
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            live, config = affected(guest, flags)
            if config:
                scheduler.set_scheduler(guest.persistent_model().copy(), values)
            if live:
                await self._limit_scheduler(guest, values)
            if config:
                await rewrite(
                    self._driver, guest, lambda model: scheduler.set_scheduler(model, values)
                )

    async def _limit_scheduler(self, guest: Guest, values: Mapping[str, int]) -> None:
        """Changes what a guest is kept to, and tells of whatever was changed before an error."""
        running = guest.require_running()
        groups = _groups(running, "cpu")
        told: list[TypedParam] = []
        try:
            for name, value in values.items():
                now = await asyncio.to_thread(scheduler.limit_scheduler, groups, name, value)
                running.require_current()
                if now is not None:
                    setattr(running.model.cputune, scheduler.field_of(name), now)
                    kind = scheduler.KINDS[name]
                    told.append(TypedParam(f"cputune.{name}", typed_value(kind, now)))
        finally:
            if told and guest.running is running:
                running.set_document()
                running.save()
                self._driver.events.emit(DomainEventID.TUNABLE, guest.ref(), told)

    # -- memory --------------------------------------------------------------------------------

    @serves(p.DOMAIN_GET_MEMORY_PARAMETERS)
    def memory(
        self, call: Call, args: p.DomainGetMemoryParametersArgs
    ) -> p.DomainGetMemoryParametersRet:
        def values(guest: Guest) -> Mapping[str, Any]:
            running, model = _shown(guest, args.flags)
            if running is not None:
                return memory.present_memory(_groups(running, "memory"))
            return memory.said_memory(model)

        return p.DomainGetMemoryParametersRet(
            *self._read(call, args, _MEMORY, "Memory tuning", values)
        )

    @serves(p.DOMAIN_SET_MEMORY_PARAMETERS)
    async def set_memory(self, call: Call, args: p.DomainSetMemoryParametersArgs) -> None:
        check_flags(call, args.flags, _LIVE | _CONFIG)
        values: Any = _given(args.params, _MEMORY)
        guest = self._driver.find(args.dom)
        self._require_system("Memory tuning")
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            live, config = affected(guest, args.flags)
            for model in _models(guest, live=live, config=config):
                memory.check_memory(model, values)
            if live:
                running = guest.require_running()
                groups = _groups(running, "memory")
                present = memory.present_memory(groups)["swap_hard_limit"]
                for name in memory.ordered(values, present):
                    await asyncio.to_thread(memory.limit_memory, groups, name, values[name])
                    _note(running, memory.set_memory, {name: values[name]})
            if config:
                await rewrite(self._driver, guest, lambda dom: memory.set_memory(dom, values))

    # -- nodes ---------------------------------------------------------------------------------

    @serves(p.DOMAIN_GET_NUMA_PARAMETERS)
    def nodes(
        self, call: Call, args: p.DomainGetNumaParametersArgs
    ) -> p.DomainGetNumaParametersRet:
        """An ordinary user is told as well."""
        return p.DomainGetNumaParametersRet(
            *self._read(
                call, args, _NODES, None,
                lambda guest: nodes.said_nodes(_shown(guest, args.flags)[1]),
            )
        )  # fmt: skip

    @serves(p.DOMAIN_SET_NUMA_PARAMETERS)
    async def set_nodes(self, call: Call, args: p.DomainSetNumaParametersArgs) -> None:
        check_flags(call, args.flags, _LIVE | _CONFIG)
        values = nodes.parsed(_given(args.params, _NODES))
        guest = self._driver.find(args.dom)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            live, config = affected(guest, args.flags)
            if live:
                self._require_system("NUMA tuning")
                running = guest.require_running()
                groups = _groups(running, "cpuset")
                nodes.check_live_nodes(running.model, values)
                if "nodeset" in values:
                    await asyncio.to_thread(nodes.limit_nodes, groups, values["nodeset"])
                    _note(running, nodes.set_nodes, values)
            if config:
                await rewrite(self._driver, guest, lambda dom: nodes.set_nodes(dom, values))

    # -- block I/O -----------------------------------------------------------------------------

    @serves(p.DOMAIN_GET_BLKIO_PARAMETERS)
    def block(
        self, call: Call, args: p.DomainGetBlkioParametersArgs
    ) -> p.DomainGetBlkioParametersRet:
        def values(guest: Guest) -> Mapping[str, Any]:
            running, model = _shown(guest, args.flags)
            said = block.said_block(model)
            if running is not None:
                said["weight"] = block.present_weight(_groups(running, "blkio"))
            return said

        return p.DomainGetBlkioParametersRet(
            *self._read(call, args, _BLOCK, "Block I/O tuning", values)
        )

    @serves(p.DOMAIN_SET_BLKIO_PARAMETERS)
    async def set_block(self, call: Call, args: p.DomainSetBlkioParametersArgs) -> None:
        check_flags(call, args.flags, _LIVE | _CONFIG)
        given = _given(args.params, _BLOCK)
        guest = self._driver.find(args.dom)
        self._require_system("Block I/O tuning")
        values = block.parsed(given)
        async with guest.jobs.hold(Job.MODIFY, call.procedure.name):
            live, config = affected(guest, args.flags)
            if live:
                running = guest.require_running()
                groups = _groups(running, "blkio")
                for name, value in values.items():
                    await asyncio.to_thread(block.limit_block, groups, name, value)
                    _note(running, block.set_block, {name: value})
            if config:
                await rewrite(self._driver, guest, lambda dom: block.set_block(dom, values))

    # -- all of them ---------------------------------------------------------------------------

    def _read(
        self,
        call: Call,
        args: Any,
        kinds: Kinds,
        subject: str | None,
        values: Callable[[Guest], Mapping[str, Any]],
    ) -> Answer:
        """The parameters and their number; without room, how many there are."""
        _check_reading(call, args.flags)
        check_parameters(args.nparams, _MOST)
        guest = self._driver.find(args.dom)
        if subject is not None:
            self._require_system(subject)
        if args.nparams == 0:
            _shown(guest, args.flags)
            return kinds.answer({}, 0)
        params = kinds.answer(values(guest), args.nparams).params
        if not args.flags & _STRING_OKAY:  # an old client, that knows no texts
            params = [param for param in params if param.value.type != TypedParameterType.STRING]
        return Answer(params, 0)  # their number is that of the list

    def _require_system(self, subject: str) -> None:
        """Refuses an ordinary user's driver, whose guests have no control groups."""
        if self._driver.dac.privileged:
            return
        # libvirt answers so for block I/O, and otherwise for the others.
        error = ConfigUnsupported if subject.startswith("Block") else OperationUnsupported
        raise error(f"{subject} is not available in session mode", domain=ErrorDomain.QEMU)


def _given(params: list[TypedParam], kinds: Kinds) -> dict[str, Any]:
    if not params:
        raise InvalidArg("no parameters to set are given", domain=ErrorDomain.DOMAIN)
    return kinds.check(params)


def _check_reading(call: Call, flags: int) -> None:
    check_exclusive(flags)
    check_flags(call, flags, _LIVE | _CONFIG | _STRING_OKAY)


def _shown(guest: Guest, flags: int) -> tuple[RunningGuest | None, Domain]:
    """What is asked about: the guest that runs, or its persistent document."""
    live, _ = affected(guest, flags & (_LIVE | _CONFIG))
    return (guest.running, guest.model) if live else (None, guest.persistent_model())


def _models(guest: Guest, *, live: bool, config: bool) -> Iterator[Domain]:
    if live:
        yield guest.model
    if config:
        yield guest.persistent_model()


def _groups(running: RunningGuest, controller: Controller) -> GuestGroups:
    """The groups of a guest that can be limited in this way.

    Raises:
        OperationInvalid: It has none.
    """
    groups = running.groups
    if groups is None:
        raise OperationInvalid(
            f"domain '{running.guest.name}' is in no control group with the controller "
            f"'{controller}'",
            domain=ErrorDomain.QEMU,
        )
    groups.place(controller)
    return groups


def _note(running: RunningGuest, change: Callable[[Domain, Any], None], values: Any) -> None:
    """Makes the live document tell what has been done."""
    running.require_current()
    change(running.model, values)
    running.set_document()
    running.save()
