# SPDX-License-Identifier: Apache-2.0
"""Limits and weights of domains, by the names of parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virloom.drivers.runtime.parameters import Answer, Kinds
from virloom.drivers.test import tuning
from virloom.drivers.test.arguments import (
    IMPACT,
    STRING_OKAY,
    check_flags,
    document,
)
from virloom.drivers.test.driver import InMemoryDriver
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.errors import OperationInvalid
from virloom.model.domain import Domain
from virloom.model.domain.perf import PERF_EVENTS
from virloom.procedures import domain as p
from virloom.procedures.types import NonnullDomain, TypedParam

_SCHEDULER = Kinds({"weight": "uint"})
_MEMORY = Kinds.all_of("ullong", "hard_limit", "soft_limit", "swap_hard_limit")
_BLKIO = Kinds({"weight": "uint"} | dict.fromkeys(tuning.BLKIO_DEVICES, "string"))
_NUMA = Kinds({"numa_mode": "int", "numa_nodeset": "string"})
_PERF = Kinds.all_of("boolean", *PERF_EVENTS)
#: The weight of every domain.
_WEIGHT = 50


class Tuning:
    """Handlers of limits and weights."""

    def __init__(self, driver: InMemoryDriver) -> None:
        self._driver = driver

    def _read(
        self, call: Call, args: Any, kinds: Kinds, values: Callable[[Domain], dict[str, Any]]
    ) -> Answer:
        check_flags(call, args.flags, IMPACT | STRING_OKAY)
        guest = self._driver.find(args.dom)
        return kinds.answer(values(document(guest, args.flags)), args.nparams)

    def _write(
        self, call: Call, args: Any, kinds: Kinds, change: Callable[[Domain, dict[str, Any]], None]
    ) -> None:
        check_flags(call, args.flags, IMPACT)
        values = kinds.check(args.params)
        change(document(self._driver.find(args.dom), args.flags), values)

    # -- processor time ------------------------------------------------------------------------

    @serves(p.DOMAIN_GET_SCHEDULER_TYPE)
    def scheduler_type(
        self, call: Call, args: p.DomainGetSchedulerTypeArgs
    ) -> p.DomainGetSchedulerTypeRet:
        self._driver.find(args.dom)
        return p.DomainGetSchedulerTypeRet("fair", 1)

    @serves(p.DOMAIN_GET_SCHEDULER_PARAMETERS)
    def scheduler_parameters(
        self, call: Call, args: p.DomainGetSchedulerParametersArgs
    ) -> p.DomainGetSchedulerParametersRet:
        params, _ = self._weight(args.dom, args.nparams)
        return p.DomainGetSchedulerParametersRet(params)

    @serves(p.DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS)
    def scheduler_parameters_flags(
        self, call: Call, args: p.DomainGetSchedulerParametersFlagsArgs
    ) -> p.DomainGetSchedulerParametersFlagsRet:
        """Of the running domain or of its definition; libvirt's own driver never answers this."""
        check_flags(call, args.flags, IMPACT | STRING_OKAY)
        document(self._driver.find(args.dom), args.flags)
        params, _ = self._weight(args.dom, args.nparams)
        return p.DomainGetSchedulerParametersFlagsRet(params)

    def _weight(self, ref: NonnullDomain, room: int) -> Answer:
        self._driver.find(ref)
        return _SCHEDULER.answer({"weight": _WEIGHT}, room)

    @serves(p.DOMAIN_SET_SCHEDULER_PARAMETERS)
    def set_scheduler_parameters(
        self, call: Call, args: p.DomainSetSchedulerParametersArgs
    ) -> None:
        self._set_weight(args.dom, args.params)

    @serves(p.DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS)
    def set_scheduler_parameters_flags(
        self, call: Call, args: p.DomainSetSchedulerParametersFlagsArgs
    ) -> None:
        check_flags(call, args.flags, IMPACT)
        document(self._driver.find(args.dom), args.flags)
        self._set_weight(args.dom, args.params)

    def _set_weight(self, ref: NonnullDomain, params: list[TypedParam]) -> None:
        """It is taken, and stays what it is."""
        _SCHEDULER.check(params)
        self._driver.find(ref)

    # -- memory, block devices, nodes ----------------------------------------------------------

    @serves(p.DOMAIN_GET_MEMORY_PARAMETERS)
    def memory_parameters(
        self, call: Call, args: p.DomainGetMemoryParametersArgs
    ) -> p.DomainGetMemoryParametersRet:
        return p.DomainGetMemoryParametersRet(*self._read(call, args, _MEMORY, tuning.memory))

    @serves(p.DOMAIN_SET_MEMORY_PARAMETERS)
    def set_memory_parameters(self, call: Call, args: p.DomainSetMemoryParametersArgs) -> None:
        self._write(call, args, _MEMORY, tuning.set_memory)

    @serves(p.DOMAIN_GET_BLKIO_PARAMETERS)
    def blkio_parameters(
        self, call: Call, args: p.DomainGetBlkioParametersArgs
    ) -> p.DomainGetBlkioParametersRet:
        return p.DomainGetBlkioParametersRet(*self._read(call, args, _BLKIO, tuning.blkio))

    @serves(p.DOMAIN_SET_BLKIO_PARAMETERS)
    def set_blkio_parameters(self, call: Call, args: p.DomainSetBlkioParametersArgs) -> None:
        self._write(call, args, _BLKIO, tuning.set_blkio)

    @serves(p.DOMAIN_GET_NUMA_PARAMETERS)
    def numa_parameters(
        self, call: Call, args: p.DomainGetNumaParametersArgs
    ) -> p.DomainGetNumaParametersRet:
        return p.DomainGetNumaParametersRet(*self._read(call, args, _NUMA, tuning.numa))

    @serves(p.DOMAIN_SET_NUMA_PARAMETERS)
    def set_numa_parameters(self, call: Call, args: p.DomainSetNumaParametersArgs) -> None:
        check_flags(call, args.flags, IMPACT)
        mode, nodeset = tuning.parse_numa(_NUMA.check(args.params))
        guest = self._driver.find(args.dom)
        model = document(guest, args.flags)
        if mode is not None and model is guest.live and mode != tuning.numa_mode(model):
            raise OperationInvalid(
                "can't change numatune mode for running domain", domain=ErrorDomain.TEST
            )
        tuning.set_numa(model, mode, nodeset)

    # -- counters ------------------------------------------------------------------------------

    @serves(p.DOMAIN_GET_PERF_EVENTS)
    def perf_events(self, call: Call, args: p.DomainGetPerfEventsArgs) -> p.DomainGetPerfEventsRet:
        check_flags(call, args.flags, IMPACT | STRING_OKAY)
        model = document(self._driver.find(args.dom), args.flags)
        on = {event.name for event in model.perf.events if event.enabled}
        values = {name: name in on for name in PERF_EVENTS}
        return p.DomainGetPerfEventsRet(_PERF.answer(values, len(values)).params)

    @serves(p.DOMAIN_SET_PERF_EVENTS)
    def set_perf_events(self, call: Call, args: p.DomainSetPerfEventsArgs) -> None:
        self._write(call, args, _PERF, tuning.set_perf)
