# SPDX-License-Identifier: Apache-2.0
"""The guest's processors, as its agent sees and switches them."""

from __future__ import annotations

from virloom.drivers.qemu.agent.access import asking
from virloom.drivers.qemu.agent.processors import (
    check_choice,
    numbers_text,
    parse_numbers,
    processors,
    switch,
)
from virloom.drivers.qemu.driver import QemuDriver
from virloom.drivers.qemu.handlers.arguments import check_flags, senseless
from virloom.drivers.runtime.jobs import Job
from virloom.endpoint.dispatch import Call, serves
from virloom.enums.error import ErrorDomain
from virloom.procedures import domain as p
from virloom.procedures.record import typed_value
from virloom.procedures.types import TypedParam


class AgentProcessors:
    """Handlers of the guest's processors."""

    def __init__(self, driver: QemuDriver) -> None:
        self._driver = driver

    @serves(p.DOMAIN_GET_GUEST_VCPUS)
    async def get(self, call: Call, args: p.DomainGetGuestVcpusArgs) -> p.DomainGetGuestVcpusRet:
        check_flags(call, args.flags, 0)
        guest = self._driver.find(args.dom)
        async with asking(guest, Job.QUERY, call.procedure.name, domain=ErrorDomain.QEMU) as asked:
            cpus = await processors(asked)
        figures = {
            "vcpus": [cpu.id for cpu in cpus],
            "online": [cpu.id for cpu in cpus if cpu.online],
            "offlinable": [cpu.id for cpu in cpus if cpu.offlinable],
        }
        return p.DomainGetGuestVcpusRet(
            [
                TypedParam(name, typed_value("string", numbers_text(ids)))
                for name, ids in figures.items()
            ]
        )

    @serves(p.DOMAIN_SET_GUEST_VCPUS)
    async def set(self, call: Call, args: p.DomainSetGuestVcpusArgs) -> None:
        check_flags(call, args.flags, 0)
        if args.state not in (0, 1):
            raise senseless("unsupported state value", ErrorDomain.QEMU)
        ids, online = parse_numbers(args.cpumap), bool(args.state)
        guest = self._driver.find(args.dom)
        async with asking(guest, Job.MODIFY, call.procedure.name, domain=ErrorDomain.QEMU) as asked:
            cpus = await processors(asked)
            check_choice(cpus, ids, online=online)
            now = {cpu.id for cpu in cpus if cpu.online}
            await switch(asked, sorted(ids - now if online else ids & now), online=online)
